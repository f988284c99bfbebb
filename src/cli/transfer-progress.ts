import type { CopyMonitor } from "../copy.ts";
import type { CommandContext } from "./command.ts";
import { createSweeper } from "./free-memory.ts";

/** Says on a terminal how far a copy has come. */
export interface TransferProgress extends CopyMonitor {
  /** Takes the line away, before anything else is printed and at the end. */
  clear(): void;
}

const eraseLine = "\r\u001b[2K";
const everyMs = 100;
const maxWidth = 78;

/** Items and bytes on one line of standard error; silent where `createProgress` is. Frees memory as bytes pass. */
export function createTransferProgress(
  { io, output, quiet }: Pick<CommandContext, "io" | "output" | "quiet">,
  verb: string,
): TransferProgress {
  const sweep = createSweeper();
  const isSilent = quiet || output !== "table" || Boolean(io.env["CI"]) || !io.stderr.isTerminal;
  const total = { items: 0, bytes: 0 };
  const done = { items: 0, bytes: 0 };
  let [shownAt, isShown, what] = [0, false, ""];
  const show = () => {
    if (isSilent || io.now() - shownAt < everyMs) return;
    [shownAt, isShown] = [io.now(), true];
    const sizes = `${formatBytes(done.bytes)} of ${formatBytes(total.bytes)}`;
    const line = `${verb} ${done.items}/${total.items}  ${sizes}  ${what}`;
    io.stderr.write(`${eraseLine}${line.slice(0, maxWidth)}`);
  };
  return {
    begin({ items, bytes }) {
      total.items += items;
      total.bytes += bytes;
    },
    bytes(count) {
      sweep(count);
      done.bytes += count;
      show();
    },
    item({ digest }, unsent) {
      done.items += 1;
      done.bytes += unsent;
      what = digest;
      show();
    },
    clear() {
      if (isShown) io.stderr.write(eraseLine);
      isShown = false;
    },
  };
}

/** `1.5 MB`, in powers of ten. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}
