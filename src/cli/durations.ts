import { TrustError } from "../errors.ts";
import { parseDuration } from "../policy/settings.ts";

/** Parses the value of a flag into milliseconds; nothing where the flag is not given. Throws `USAGE`. */
export function durationFlag(name: string, text: string): number;
export function durationFlag(name: string, text: string | undefined): number | undefined;
export function durationFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    const { expected, found } = error;
    throw new TrustError("USAGE", `the value of ${name} is not a duration`, { expected, found, cause: error });
  }
}
