import type { CommandContext } from "./command.ts";
import { toJson } from "./print.ts";

/** Prints the results of a command in the form that was asked for. */
export interface Results<T> {
  /** Takes the result of the argument at `index`. */
  add(result: T, index: number): void;
  /** Prints what is still to be printed. */
  end(): void;
}

/**
 * Results in argument order, but for `jsonl`, which prints each as it comes. `json` is one array, printed at the end, so
 * that it is whole or missing; text is printed as soon as everything before it is there.
 */
export function createResults<T>(
  { io, output }: Pick<CommandContext, "io" | "output">,
  toText: (result: T) => string,
): Results<T> {
  const waiting = new Map<number, T>();
  let next = 0;
  const printReady = () => {
    for (; waiting.has(next); next++) {
      io.stdout.write(toText(waiting.get(next) as T));
      waiting.delete(next);
    }
  };
  return {
    add(result, index) {
      if (output === "jsonl") {
        io.stdout.write(`${toJson(result)}\n`);
        return;
      }
      waiting.set(index, result);
      if (output === "table") printReady();
    },
    end() {
      if (output !== "json") return;
      const ordered = [...waiting].sort(([one], [other]) => one - other).map(([, result]) => result);
      io.stdout.write(`${toJson(ordered, 2)}\n`);
    },
  };
}
