import { isUtf8 } from "node:buffer";
import { TrustError } from "../errors.ts";
import type { PredicateKind } from "./predicate-types.ts";

/**
 * The predicate that a file makes, in the form of its type; checked against the type's schema. `now` in milliseconds since
 * 1970. Throws `PREDICATE_INVALID`.
 */
export async function makePredicate(kind: PredicateKind, file: Buffer, now: number): Promise<Buffer> {
  if (kind.form === "text") return Buffer.from(JSON.stringify(textOf(file)));
  if (kind.form === "custom") {
    const Timestamp = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
    return Buffer.from(JSON.stringify({ Data: textOf(file), Timestamp }));
  }
  const predicate = withoutSpace(file);
  const { checkPredicate } = await import("./predicate-schemas.ts");
  checkPredicate(predicate, kind);
  return predicate;
}

function textOf(file: Buffer): string {
  if (isUtf8(file)) return file.toString();
  throw new TrustError("PREDICATE_INVALID", "the predicate is not text", { expected: "UTF-8" });
}

/** Without the white space around it, so that it is found again in the statement as it went in. */
function withoutSpace(file: Buffer): Buffer {
  const isSpace = (c: number | undefined) => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
  let start = 0;
  let end = file.length;
  while (start < end && isSpace(file[start])) start++;
  while (end > start && isSpace(file[end - 1])) end--;
  return file.subarray(start, end);
}
