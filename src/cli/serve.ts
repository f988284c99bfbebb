import type { CommandContext } from "./command.ts";

/** Flags of every server. */
export const serverOptions = {
  listen: { value: "HOST:PORT", summary: "address to listen on; port 0 picks a free one" },
  "tls-cert": { value: "FILE", summary: "certificate to serve with, PEM, with its chain", completes: "files" },
  "tls-key": { value: "FILE", summary: "private key of that certificate, PEM", completes: "files" },
} as const;

/** Says where the server listens, waits for the signal to stop, and lets it come to its end. */
export async function serveUntilStopped(
  { io, note }: CommandContext,
  server: { readonly url: string; close(): Promise<void> },
): Promise<number> {
  io.stdout.write(`listening on ${server.url}\n`);
  await aborted(io.signal);
  note("stopping: requests under way are finished");
  await server.close();
  return 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
