import { runCli } from "../../src/cli/run.ts";

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Where relative paths start. */
  readonly folder: string;
  readonly stdin?: string | Uint8Array;
  /** Answers to questions, in order; without them nobody can be asked. */
  readonly answers?: readonly string[];
  readonly colors?: boolean;
  /** Opens an address as a person's browser would. */
  readonly openBrowser?: (url: string) => Promise<boolean>;
  readonly signal?: AbortSignal;
  /** Told what is written to standard output, as it is written. */
  readonly onOutput?: (text: string) => void;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly questions: readonly string[];
}

/** Runs a command line of trust in this process; what would be the process's is in memory. */
export async function runTrust(argv: readonly string[], options: CliOptions): Promise<CliResult> {
  const { env = {}, folder, stdin = "", colors = false } = options;
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write(content: string | Uint8Array) {
      const text = typeof content === "string" ? content : Buffer.from(content).toString();
      written[name] += text;
      if (name === "stdout") options.onOutput?.(text);
    },
    isTerminal: colors,
    hasColors: colors,
  });
  const questions: string[] = [];
  const answers = options.answers?.values();
  const prompt = async (question: string) => {
    questions.push(question);
    const { value, done } = answers?.next() ?? { done: true };
    if (done === true) throw new Error(`no answer to: ${question}`);
    return value ?? "";
  };
  const code = await runCli(argv, {
    env,
    homeFolder: env["HOME"] ?? folder,
    folder,
    stdout: output("stdout"),
    stderr: output("stderr"),
    readStdin: async () => Buffer.from(stdin),
    async *streamStdin() {
      yield Buffer.from(stdin);
    },
    prompt: answers === undefined ? undefined : prompt,
    openBrowser: options.openBrowser,
    now: Date.now,
    nodeVersion: "24.0.0",
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, ...written, questions };
}
