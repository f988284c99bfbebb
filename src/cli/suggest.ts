const maxDistance = 3;

/** A question that names the known word most like the given one, if one is like it. */
export function didYouMean(word: string, known: readonly string[], prefix = ""): string | undefined {
  const near = known
    .map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }))
    .filter(
      ({ candidate, distance }) => distance <= maxDistance && distance < Math.max(word.length, candidate.length) * 0.6,
    )
    .sort((a, b) => a.distance - b.distance);
  return near[0] === undefined ? undefined : `Did you mean ${prefix}${near[0].candidate}?`;
}

/** How many letters must be put in, left out or changed to make one word of the other (Levenshtein). */
function distanceOf(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > maxDistance) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, otherLetter] of [...other].entries()) {
      const change = (row[j] ?? 0) + (letter === otherLetter ? 0 : 1);
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, change));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
