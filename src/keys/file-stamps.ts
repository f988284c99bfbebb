import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";

/** What each file was like when it was looked at, by path. */
export type Stamps = ReadonlyMap<string, string>;

/** The stamp of a file that is not there, or may not be looked at. */
export const absent = "absent";

/** What a file is like: another stamp where it was changed, replaced or removed. Never throws. */
export async function stampOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(formatStamp, () => absent);
}

/** The stamp of a file that was looked at already. */
export function formatStamp({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** Whether the same files were there, and alike. */
export function sameStamps(a: Stamps, b: Stamps): boolean {
  return a.size === b.size && [...a].every(([path, stamp]) => b.get(path) === stamp);
}
