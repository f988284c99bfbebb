import { compileGlob, matchesGlob } from "../policy/glob.ts";

/** A character, or a run of any characters; `slash`: also of `/`. */
type Token = { readonly character: string } | { readonly slash: boolean };
type States = readonly number[];

/** Beyond it, it is not known whether one glob covers another: no image name needs so many. */
const maxStates = 4000;

/** Whether everything that `specific` matches is matched by `general`, too. False where that is not known. */
export function covers(general: string, specific: string): boolean {
  if (general === specific || general === "**") return true;
  const { prefix, isLiteral } = compileGlob(general);
  if (isLiteral || !specific.startsWith(prefix)) return false;
  if (!specific.includes("*")) return matchesGlob(general, specific);
  const [own, other] = [tokensOf(specific), tokensOf(general)];
  return !explore(own, other, (isOwnEnd, isOtherEnd, isOtherAlive) => isOwnEnd && !(isOtherAlive && isOtherEnd));
}

/** Whether there may be a text that both match. True where that is not known. */
export function overlaps(a: string, b: string): boolean {
  if (!a.includes("*")) return matchesGlob(b, a);
  if (!b.includes("*")) return matchesGlob(a, b);
  return explore(tokensOf(a), tokensOf(b), (isEnd, isOtherEnd, isAlive) => isEnd && isOtherEnd && isAlive);
}

/**
 * Whether some text leads both globs into a state that is looked for: walks through the pairs of states that one text can
 * reach (the product of their subset automata). True when there are too many.
 */
function explore(
  own: readonly Token[],
  other: readonly Token[],
  isWanted: (isOwnEnd: boolean, isOtherEnd: boolean, isOtherAlive: boolean) => boolean,
): boolean {
  const symbols = symbolsOf([...own, ...other]);
  const start = [closure([0], own), closure([0], other)] as const;
  const seen = new Set([keyOf(start)]);
  const queue = [start];
  for (const [mine, theirs] of queue) {
    if (isWanted(mine.includes(own.length), theirs.includes(other.length), theirs.length > 0)) return true;
    for (const symbol of symbols) {
      const next = [step(mine, own, symbol), step(theirs, other, symbol)] as const;
      if (next[0].length === 0 || seen.has(keyOf(next))) continue;
      seen.add(keyOf(next));
      if (seen.size > maxStates) return true;
      queue.push(next);
    }
  }
  return false;
}

function tokensOf(glob: string): readonly Token[] {
  return glob
    .split(/(\*\*|\*|)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("*") ? { slash: part === "**" } : { character: part }));
}

/** Every character that is told from others, `/`, and one that stands for all the rest. */
function symbolsOf(tokens: readonly Token[]): readonly string[] {
  const written = tokens.flatMap((token) => ("character" in token ? [token.character] : []));
  return [...new Set([...written, "/", "\u0000"])];
}

function closure(states: States, tokens: readonly Token[]): States {
  const all = new Set<number>();
  for (const state of states) {
    let at = state;
    all.add(at);
    for (let token = tokens[at]; token !== undefined && "slash" in token; token = tokens[at]) all.add(++at);
  }
  return [...all].sort((a, b) => a - b);
}

function step(states: States, tokens: readonly Token[], symbol: string): States {
  const next = states.flatMap((state) => {
    const token = tokens[state];
    if (token === undefined) return [];
    if ("character" in token) return token.character === symbol ? [state + 1] : [];
    return symbol !== "/" || token.slash ? [state] : [];
  });
  return closure(next, tokens);
}

function keyOf([mine, theirs]: readonly [States, States]): string {
  return `${mine.join()} ${theirs.join()}`;
}
