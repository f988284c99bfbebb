import * as z from "zod";
import { isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { timeOf } from "./binding.ts";
import { parseImageGlob, parseTagGlob } from "./glob.ts";
import { parseDuration } from "./settings.ts";

/** An issue in words of ours; the other ones are put into words by `shapeProblems`. */
export function parserIssue(message: string, expected?: string, found?: string) {
  return { code: "custom", message, params: { parser: true, expected, found } } as const;
}

/** A check that a text can be parsed; what the parser expected and found goes into the problem. */
export function parsable(parse: (text: string) => unknown): (text: string, context: z.RefinementCtx<string>) => void {
  return (text, context) => {
    try {
      parse(text);
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      context.addIssue(parserIssue(error.message, error.expected, error.found));
    }
  };
}

/** A century is as good as for ever, and still a time. */
const longestDuration = 36_500 * 24 * 3600 * 1000;

function parseLimitedDuration(text: string): number {
  const duration = parseDuration(text);
  if (duration <= longestDuration) return duration;
  throw new TrustError("CONFIG_INVALID", "too long a duration", { expected: "at most 36500d", found: text });
}

/** An empty text is one problem, not two. */
export const filled = { abort: true } as const;
const label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";

/** The name of a Kubernetes object. */
export const objectName = z
  .string()
  .max(253)
  .regex(new RegExp(`^${label}(\\.${label})*$`), "lower-case letters, digits, - and . (a DNS name)");

/** The name of a namespace. */
export const namespaceName = z
  .string()
  .max(63)
  .regex(new RegExp(`^${label}$`), "lower-case letters, digits and - (a DNS label)");

/** Names in messages and verdicts: printable, no white space at the ends, no surprises in a log line. */
export const word = z
  .string()
  .min(1, filled)
  .max(253)
  .regex(/^[\p{L}\p{N}\p{P}\p{S}]+$/u, "letters, digits and punctuation, without spaces");

/** Keys and texts. */
export const textMap = z.record(z.string().min(1).max(253), z.string().max(4096));
/** As `textMap`, with at least one entry. */
export const filledTextMap = textMap.refine((map) => Object.keys(map).length > 0, "at least one entry");

/** See `parseImageGlob`. */
export const imageGlob = z.string().min(1, filled).max(512).superRefine(parsable(parseImageGlob));
/** See `parseTagGlob`. */
export const tagGlob = z.string().min(1, filled).max(128).superRefine(parsable(parseTagGlob));

/** A time as in RFC 3339. */
export const time = z
  .string()
  .max(40)
  .refine((text) => !Number.isNaN(timeOf(text)), "a time as in RFC 3339, such as 2026-12-01T00:00:00Z");
/** sha256 or sha512. */
export const digest = z.string().max(200).refine(isDigest, "sha256: and 64 lower-case hex digits");

/** See `parseDuration`; at most a century. */
export const duration = z.string().max(32).superRefine(parsable(parseLimitedDuration));
