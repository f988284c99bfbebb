import { setTimeout as sleep } from "node:timers/promises";
import { asTrustError } from "../errors.ts";
import { knownRepository } from "../trust/embedded.ts";
import { readStoredRoot } from "../trust/open.ts";
import { isRootName } from "../trust/stored-root.ts";
import type { WebSettings } from "../trust/tuf-web.ts";
import type { CommandContext } from "./command.ts";
import { storeRoot, trustRootContext } from "./trust-roots.ts";

/** Where what happens in the background is told. */
interface RenewalLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RootRenewal {
  /** Milliseconds between two looks for newer roots. */
  readonly every: number;
  readonly web: WebSettings;
  readonly log: RenewalLog;
  /** The names of the roots in use. */
  readonly names: () => Iterable<string>;
}

/** Spreads the first look over that many milliseconds: many servers start at once. */
const firstWithin = 60_000;

/**
 * Renews the trust roots in use by TUF, for ever, beside everything else: no decision waits for it. What is fetched is stored
 * under the user's roots, whose files whoever uses them follows. What cannot be renewed is told, and the root in use stays.
 */
export async function renewRoots(context: CommandContext, renewal: RootRenewal, signal: AbortSignal): Promise<void> {
  let wait = Math.min(renewal.every, firstWithin) * Math.random();
  while (await pause(wait, signal)) {
    for (const name of new Set(renewal.names())) await renewOne(context, renewal, name, signal);
    wait = renewal.every;
  }
}

async function renewOne(
  context: CommandContext,
  { web, log }: RootRenewal,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const roots = trustRootContext(context);
  try {
    if (!isRootName(name)) return;
    const stored = await readStoredRoot(name, roots);
    const isByTuf = stored === undefined ? knownRepository(name) !== undefined : stored.source.kind === "tuf";
    if (!isByTuf) return;
    const { renewRoot } = await import("../trust/refresh.ts");
    const renewed = await renewRoot(name, stored, { web, now: context.io.now(), signal });
    await storeRoot(roots.folder, renewed, true);
    log.info({ root: name }, "trust root renewed");
  } catch (error) {
    const { code, message, expected, found } = asTrustError(error);
    if (!signal.aborted)
      log.warn({ root: name, code, message, expected, found }, "trust root not renewed; the one in use stays");
  }
}

async function pause(time: number, signal: AbortSignal): Promise<boolean> {
  await sleep(time, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}
