import { getBuiltinModule } from "node:process";

/** The program that opens an address, by platform; the address is its last argument, and never goes through a shell. */
const openers: Readonly<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Opens an address in the browser of whoever sits there; false where that cannot be done. */
export async function openInBrowser(url: string, platform: string): Promise<boolean> {
  if (!/^https?:$/.test(new URL(url).protocol)) return false;
  const [program, ...args] = openers[platform] ?? ["xdg-open"];
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { spawn } = getBuiltinModule("node:child_process");
  const child = spawn(program, [...args, url], { stdio: "ignore", detached: true });
  child.once("error", () => resolve(false));
  child.once("spawn", () => resolve(true));
  child.unref();
  return promise;
}
