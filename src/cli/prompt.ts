/** A terminal to ask on: what is typed comes in, the question goes out. */
export interface Terminal {
  readonly input: {
    setRawMode(raw: boolean): unknown;
    on(event: "data", listener: (chunk: Buffer) => void): unknown;
    off(event: "data", listener: (chunk: Buffer) => void): unknown;
    resume(): unknown;
    pause(): unknown;
  };
  write(text: string): void;
  /** Ctrl-C: the terminal in raw mode sends no signal by itself. */
  interrupt(): void;
  /** Nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

const enter = new Set(["\r", "\n", "\u0004"]);
const erase = new Set(["\u007f", "\b"]);
const ctrlC = "\u0003";
const ctrlU = "\u0015";

/** Asks for a line and shows nothing of it. Rejected when the person or the signal interrupts. */
export function askHidden(terminal: Terminal, question: string): Promise<string> {
  const { input } = terminal;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let typed = "";
  const onData = (chunk: Buffer) => {
    for (const character of decoder.decode(chunk, { stream: true })) {
      if (enter.has(character)) return resolve(typed);
      if (character === ctrlC) {
        terminal.interrupt();
        return reject(new Error("interrupted"));
      }
      if (erase.has(character)) typed = [...typed].slice(0, -1).join("");
      else if (character === ctrlU) typed = "";
      else typed += character;
    }
  };
  const giveUp = () => reject(new Error("interrupted"));
  if (terminal.signal?.aborted === true) giveUp();
  terminal.signal?.addEventListener("abort", giveUp, { once: true });
  // The question comes last: what is typed when it shows must not be echoed any more.
  input.setRawMode(true);
  input.on("data", onData);
  input.resume();
  terminal.write(question);
  return promise.finally(() => {
    terminal.signal?.removeEventListener("abort", giveUp);
    input.off("data", onData);
    input.pause();
    input.setRawMode(false);
    terminal.write("\n");
  });
}
