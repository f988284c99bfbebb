/**
 * Transcripts of command lines, which are tests and manual at once:
 *
 *     # a comment
 *     $ NAME=value trust … 'quoted word'     what was typed; everything else follows it
 *     text                                   a line on standard output
 *     ! text                                 a line on standard error
 *     ? 3                                    the exit code, where it is not 0
 *
 * `<…>` with any text inside stands for anything in a line; `$NAME` for a value that the test gives.
 */
export interface Step {
  readonly line: number;
  readonly env: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly code: number;
}

/** Parses a transcript; throws for what is not one. */
export function parseTranscript(text: string, values: Readonly<Record<string, string>>): readonly Step[] {
  const steps: { line: number; command: string; stdout: string[]; stderr: string[]; code: number }[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/\$([A-Z]+)/g, (whole, name: string) => values[name] ?? whole);
    const step = steps.at(-1);
    if (line.startsWith("$ ")) steps.push({ line: index + 1, command: line.slice(2), stdout: [], stderr: [], code: 0 });
    else if (line.startsWith("# ") || line === "#" || line === "") continue;
    else if (step === undefined) throw new Error(`line ${index + 1} stands before any command`);
    else if (line.startsWith("? ")) step.code = Number(line.slice(2));
    else if (line.startsWith("! ")) step.stderr.push(line.slice(2));
    else step.stdout.push(line);
  }
  return steps.map(({ command, ...step }) => ({ ...step, ...splitCommand(command) }));
}

function splitCommand(command: string): Pick<Step, "env" | "words"> {
  const words = (command.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ""));
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  const env = words
    .slice(0, first)
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
  return { env: Object.fromEntries(env), words: words.slice(first) };
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
