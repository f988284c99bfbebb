import { TrustError } from "../errors.ts";

/**
 * Decodes standard, padded base64 (RFC 4648 §4) and nothing else: no line breaks, no URL alphabet, no stray bits in the
 * last digit. One text for one value, so that nobody can change a signature's text and keep its meaning.
 */
export function decodeBase64(text: unknown, what: string): Buffer {
  if (typeof text === "string") {
    // Only the one text that an encoder writes comes back the same; a regular expression over megabytes may overflow.
    const bytes = Buffer.from(text, "base64");
    if (bytes.toString("base64") === text) return bytes;
  }
  throw new TrustError("SIGNATURE_MALFORMED", `${what} is not base64`, { expected: "standard base64 with padding" });
}
