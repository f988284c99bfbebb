/** JSON as RFC 8785 wants it; enough for logs, which write integers and text only. */
export function jcs(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jcs(member)}`).join(",")}}`;
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** `2026-01-01T00:00:00.000Z` as protobuf's JSON writes it. */
export const rfc3339 = (at: number): string => new Date(at).toISOString().replace(".000Z", "Z");
