import { TrustError } from "../errors.ts";
import type { SignatureFormat } from "../formats/format.ts";
import { formats } from "../formats/index.ts";

/** Names of the forms that can be written. */
export const formatNames = ["bundle", "cosign"] as const;

/** The formats of those names, each once; without any, the default. */
export function formatsOf(names: readonly (typeof formatNames)[number][]): readonly SignatureFormat[] {
  const wanted = names.length === 0 ? ["bundle"] : [...new Set<string>(names)];
  return wanted.map((name) => {
    const format = formats.find((candidate) => candidate.name === name);
    if (format === undefined) throw new TrustError("USAGE", `there is no format ${name}`);
    return format;
  });
}
