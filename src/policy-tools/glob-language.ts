import { compileGlob, matchesGlob } from "../policy/glob.ts";

/** A character, or a run of any characters; `slash`: also of `/`. */
type Token = { readonly character: string } | { readonly slash: boolean };
type States = readonly number[];

/** Beyond it, it is not known whether one glob covers another: no image name needs so many. */
const maxStates = 4000;

/** Whether everything that `specific` matches is matched by `general`, too. False where that is not known. */
export function covers(general: string, specific: string): boolean {
  if (general === specific || general === "**") return true;
  const { prefix, suffix, isLiteral } = compileGlob(general);
  // Ends without wildcards are those of everything that matches.
  if (isLiteral || !specific.startsWith(prefix) || !specific.endsWith(suffix)) return false;
  if (!specific.includes("*")) return matchesGlob(general, specific);
  // Most that are not covered are told by a text or two.
  if (!samplesOf(specific).every((text) => matchesGlob(general, text))) return false;
  return includes(tokensOf(general), tokensOf(specific));
}

/** Texts that the glob matches, with the most and the least in the place of its wildcards. */
function samplesOf(glob: string): readonly string[] {
  return [glob.replaceAll("**", "~/~").replaceAll("*", "~"), glob.replaceAll("*", "")];
}

/** Whether there is a text that both match. The time is bounded by the product of the lengths. */
export function overlaps(a: string, b: string): boolean {
  const [one, other] = [tokensOf(a), tokensOf(b)];
  const width = other.length + 1;
  const seen = new Uint8Array((one.length + 1) * width);
  const queue = [0];
  const reach = (at: number, otherAt: number) => {
    const pair = at * width + otherAt;
    if (seen[pair] === 1) return;
    seen[pair] = 1;
    queue.push(pair);
  };
  for (const pair of queue) {
    const [at, otherAt] = [Math.floor(pair / width), pair % width];
    if (at === one.length && otherAt === other.length) return true;
    const [mine, theirs] = [one[at], other[otherAt]];
    // A wildcard may end, or take in what the other has.
    if (isWildcard(mine)) reach(at + 1, otherAt);
    if (isWildcard(theirs)) reach(at, otherAt + 1);
    if (takes(mine, theirs)) reach(at, otherAt + 1);
    if (takes(theirs, mine)) reach(at + 1, otherAt);
    if (isCharacter(mine) && isCharacter(theirs) && mine.character === theirs.character) reach(at + 1, otherAt + 1);
  }
  return false;
}

function isCharacter(token: Token | undefined): token is { readonly character: string } {
  return token !== undefined && "character" in token;
}

function isWildcard(token: Token | undefined): token is { readonly slash: boolean } {
  return token !== undefined && "slash" in token;
}

function takes(wildcard: Token | undefined, token: Token | undefined): boolean {
  return isWildcard(wildcard) && isCharacter(token) && (wildcard.slash || token.character !== "/");
}

/**
 * Whether every text that `own` matches is matched by `other`, too: walks through the pairs of sets of states that one text
 * can reach (the product of their subset automata). False when there are too many.
 */
function includes(other: readonly Token[], own: readonly Token[]): boolean {
  const symbols = symbolsOf([...own, ...other]);
  const start = [closure([0], own), closure([0], other)] as const;
  const seen = new Set([keyOf(start)]);
  const queue = [start];
  for (const [mine, theirs] of queue) {
    if (mine.includes(own.length) && !theirs.includes(other.length)) return false;
    for (const symbol of symbols) {
      const next = [step(mine, own, symbol), step(theirs, other, symbol)] as const;
      if (next[0].length === 0 || seen.has(keyOf(next))) continue;
      seen.add(keyOf(next));
      if (seen.size > maxStates) return false;
      queue.push(next);
    }
  }
  return true;
}

function tokensOf(glob: string): readonly Token[] {
  return glob
    .split(/(\*\*|\*|)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("*") ? { slash: part === "**" } : { character: part }));
}

/** Every character that is told from others, `/`, and one that stands for all the rest. */
function symbolsOf(tokens: readonly Token[]): readonly string[] {
  const written = tokens.flatMap((token) => (isCharacter(token) ? [token.character] : []));
  return [...new Set([...written, "/", "\u0000"])];
}

function closure(states: States, tokens: readonly Token[]): States {
  const all = new Set<number>();
  for (const state of states) {
    let at = state;
    all.add(at);
    for (let token = tokens[at]; isWildcard(token); token = tokens[at]) all.add(++at);
  }
  return [...all].sort((a, b) => a - b);
}

function step(states: States, tokens: readonly Token[], symbol: string): States {
  const next = states.flatMap((state) => {
    const token = tokens[state];
    if (token === undefined) return [];
    if (isCharacter(token)) return token.character === symbol ? [state + 1] : [];
    return symbol !== "/" || token.slash ? [state] : [];
  });
  return closure(next, tokens);
}

function keyOf([mine, theirs]: readonly [States, States]): string {
  return `${mine.join()} ${theirs.join()}`;
}
