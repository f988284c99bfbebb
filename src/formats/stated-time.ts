import { isJsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";

/** Where predicates of known types say when they were made, the most telling first. */
const places: readonly (readonly string[])[] = [
  ["Timestamp"],
  ["timestamp"],
  ["runDetails", "metadata", "finishedOn"],
  ["runDetails", "metadata", "startedOn"],
  ["metadata", "buildFinishedOn"],
  ["metadata", "scanFinishedOn"],
  ["metadata", "timestamp"],
  ["creationInfo", "created"],
];
const maxMemberBytes = 64 * 1024;

/**
 * When a predicate says that it was made, milliseconds since 1970: signed, but only as true as its signer. Undefined where it
 * does not say.
 */
export function statedTime(predicate: Uint8Array): number | undefined {
  if (predicate[0] !== 0x7b) return undefined;
  const members = readJsonMembers(predicate, "the predicate");
  for (const [first = "", ...rest] of places) {
    if ((members.get(first)?.length ?? maxMemberBytes + 1) > maxMemberBytes) continue;
    const value = rest.reduce<unknown>(
      (inner, name) => (isJsonObject(inner) ? inner[name] : undefined),
      parseMember(members, first),
    );
    const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(time)) return time;
  }
  return undefined;
}
