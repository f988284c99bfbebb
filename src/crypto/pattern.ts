import { RE2JS } from "re2js";

/** Instructions of a compiled expression: for each character of a text so many steps may be taken. */
const maxSize = 2000;
/** Compiling repeats what is counted: what would be too large must not even be compiled. */
const maxRepeats = 1000;

/** Each takes as long to compile as a whole expression of the usual kind; with any case, hundreds of times as long. */
const maxScripts = 20;

/** An RE2 expression, and the number of its instructions. */
export interface Pattern {
  readonly expression: RE2JS;
  readonly size: number;
}

/**
 * Compiles an RE2 expression that is cheap to match. Time is linear in the text, but also in what counted repetitions expand
 * to: with `(?:a{0,1000})?` a hundred times in a row it is minutes for a name. Throws an `Error` that says why not.
 */
export function compilePattern(text: string): Pattern {
  const counts = [...text.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].map(([, least, most]) => Number(most || least));
  const repeats = counts.reduce((sum, count) => sum + count, 0);
  if (repeats > maxRepeats) throw new Error(`it repeats more than ${maxRepeats} times`);
  if ((text.match(/\\p/gi) ?? []).length > maxScripts)
    throw new Error(`it has more than ${maxScripts} classes of Unicode`);
  if (/\(\?[a-z-]*i/i.test(text) && /\\[pPx0-7]|[^\p{ASCII}]/u.test(text))
    throw new Error("it leaves open the case of characters beyond ASCII");
  const expression = RE2JS.compile(text);
  const size = expression.programSize();
  if (size > maxSize) throw new Error(`it stands for more than ${maxSize} steps`);
  return { expression, size };
}
