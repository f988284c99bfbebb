import type { DiffSubject, ImageDiff } from "./diff.ts";

/**
 * Tells objects together that somebody would mend together: of those that one controller answers for, which name the same
 * image and are judged alike, one row speaks for all, that of the object nearest to the controller. Every subject has been
 * judged by itself; one that is judged otherwise than its controller has a row of its own. The order stays that of the first
 * of each row. `diffs` are those of `subjects`, at the same places.
 */
export function foldDiffs(subjects: readonly DiffSubject[], diffs: readonly ImageDiff[]): readonly ImageDiff[] {
  const rows = new Map<string, Member[]>();
  for (const [index, diff] of diffs.entries()) {
    const group = subjects[index]?.group;
    const key = group === undefined ? `${index}` : keyOf(group, diff);
    const members = rows.get(key) ?? [];
    members.push({ diff, group });
    rows.set(key, members);
  }
  return [...rows.values()].map(rowOf);
}

interface Member {
  readonly diff: ImageDiff;
  readonly group: DiffSubject["group"];
}

function keyOf(
  { of, image }: NonNullable<Member["group"]>,
  { change, old, new: next, code, policy }: ImageDiff,
): string {
  return JSON.stringify([of, image, change, old.outcome, next.outcome, code, policy]);
}

function rowOf(members: readonly Member[]): ImageDiff {
  const depth = Math.min(...members.map(({ group }) => group?.depth ?? 0));
  const nearest = members.filter(({ group }) => (group?.depth ?? 0) === depth);
  const [first] = nearest;
  if (first === undefined) throw new Error("a row without members");
  const { diff, group } = first;
  if (group === undefined || depth === 0) return diff;
  const others = nearest.reduce((sum, member) => sum + (member.group?.objects ?? 1), -1);
  const more = others === 0 ? "" : ` and ${others} more`;
  return { ...diff, usedBy: `${diff.usedBy}${more} of ${group.of}` };
}
