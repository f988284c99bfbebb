/**
 * Transcripts of command lines, which are tests and manual at once:
 *
 *     # a comment
 *     $ NAME=value trust … 'quoted word'     what was typed; everything else follows it
 *     text                                   a line on standard output
 *     ! text                                 a line on standard error
 *     < text                                 a line for standard input
 *     ? 3                                    the exit code, where it is not 0
 *     -- NAME --                             what follows is a file that is there from the beginning
 *
 * `<…>` with any text inside stands for anything in a line; `$NAME` for a value that the test gives.
 */
export interface Step {
  readonly line: number;
  /** As it stands in the transcript. */
  readonly command: string;
  /** The step with the test's values in it. */
  with(values: Readonly<Record<string, string>>): ReadyStep;
}

export interface ReadyStep {
  readonly env: Readonly<Record<string, string>>;
  readonly program: string | undefined;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly code: number;
}

/** Parses a transcript; throws for what is not one. */
export function parseTranscript(text: string): readonly Step[] {
  const steps: { line: number; command: string; stdin: string; stdout: string[]; stderr: string[]; code: number }[] =
    [];
  for (const [index, line] of text.split(fileMark)[0]?.split("\n").entries() ?? []) {
    const step = steps.at(-1);
    if (line.startsWith("$ "))
      steps.push({ line: index + 1, command: line.slice(2), stdin: "", stdout: [], stderr: [], code: 0 });
    else if (line.startsWith("# ") || line === "#" || line === "") continue;
    else if (step === undefined) throw new Error(`line ${index + 1} stands before any command`);
    else if (line.startsWith("? ")) step.code = Number(line.slice(2));
    else if (line.startsWith("< ")) step.stdin += `${line.slice(2)}\n`;
    else if (line.startsWith("! ")) step.stderr.push(line.slice(2));
    else step.stdout.push(line);
  }
  return steps.map(({ line, command, stdin, stdout, stderr, code }) => ({
    line,
    command,
    with(values) {
      const filled = (lines: readonly string[]) => lines.map((part) => fill(part, values));
      return { ...splitCommand(fill(command, values)), stdin, stdout: filled(stdout), stderr: filled(stderr), code };
    },
  }));
}

const fileMark = /^-- (\S+) --$\n/m;

/** The files that a transcript wants to be there. */
export function filesOf(text: string): readonly { readonly name: string; readonly content: string }[] {
  const [, ...parts] = text.split(fileMark);
  return parts.flatMap((name, index) => (index % 2 === 0 ? [{ name, content: parts[index + 1] ?? "" }] : []));
}

/** The text with the test's values in the place of `$NAME`. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$([A-Z]+)/g, (whole, name: string) => values[name] ?? whole);
}

function splitCommand(command: string): Pick<ReadyStep, "env" | "program" | "args"> {
  const words = (command.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ""));
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  const env = words
    .slice(0, first)
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
  const [program, ...args] = words.slice(first);
  return { env: Object.fromEntries(env), program, args };
}

/** Lines as they came, with what the transcript leaves open put in its place: equal to the expected ones if they match. */
export function alignLines(output: string, expected: readonly string[]): readonly string[] {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, index) => {
    const pattern = expected[index] ?? "";
    return patternOf(pattern).test(line) ? pattern : line;
  });
}

function patternOf(line: string): RegExp {
  const parts = line.split(/<[^>]*>/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".+")}$`);
}
