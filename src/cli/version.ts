import { readFileSync } from "node:fs";

/** Written in by the build; a checkout reads its package.json. */
declare const TRUST_VERSION: string | undefined;

/** The version of this program. */
export function programVersion(): string {
  if (typeof TRUST_VERSION === "string") return TRUST_VERSION;
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
