import type { CommandContext } from "./command.ts";
import { plain } from "./print.ts";

/** Says on a terminal how far a command has come; says nothing anywhere else. */
export interface Progress {
  /** One more is done; `what` it was. */
  step(what: string): void;
  /** Takes the line away, before anything else is printed and at the end. */
  clear(): void;
}

const eraseLine = "\r\u001b[2K";
const maxWidth = 78;

/**
 * A line on standard error that is written over and over; silent with JSON, without a terminal, in CI, for a single thing,
 * and when quiet.
 */
export function createProgress(
  { io, output, quiet }: Pick<CommandContext, "io" | "output" | "quiet">,
  verb: string,
  total?: number,
): Progress {
  // The terminal is asked last: opening the stream costs time.
  if (quiet || output !== "table" || total === 1 || io.env["CI"] || !io.stderr.isTerminal)
    return { step: () => {}, clear: () => {} };
  let done = 0;
  let shown = false;
  return {
    step(what) {
      done += 1;
      shown = true;
      const count = total === undefined ? `${done}` : `${done}/${total}`;
      io.stderr.write(`${eraseLine}${`${verb} ${count}  ${plain(what)}`.slice(0, maxWidth)}`);
    },
    clear() {
      if (shown) io.stderr.write(eraseLine);
      shown = false;
    },
  };
}
