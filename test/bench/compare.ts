import { spawn } from "node:child_process";
import { once } from "node:events";

/** A command line to time as a whole process. */
export interface Command {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface Figures {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function figuresOf(values: readonly number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { median: at(0.5), min: at(0), max: at(1) };
}

/**
 * Runs the command once; milliseconds of wall time. Throws unless it ends with 0. This process goes on meanwhile: a registry
 * that it started would stand still with nobody to read its log.
 */
async function time({ name, file, args, env, cwd }: Command): Promise<number> {
  const started = process.hrtime.bigint();
  const child = spawn(file, args, { env: env ?? process.env, cwd, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [status] = (await once(child, "exit")) as [number | null];
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${errors}`);
  return milliseconds;
}

/**
 * Runs the commands in turn, A B C A B C …, so that a drift of the machine meets all of them; after one warm-up each,
 * unless a command can run once only.
 */
export async function compare(
  commands: readonly Command[],
  rounds: number,
  { warmUp = true }: { readonly warmUp?: boolean } = {},
): Promise<readonly Figures[]> {
  if (warmUp) for (const command of commands) await time(command);
  const times = commands.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, command] of commands.entries()) times[i]?.push(await time(command));
  }
  return times.map(figuresOf);
}

/** One printed row: what, ours, theirs, the ratio, the aim. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  readonly ratio: string;
  readonly aim: string;
}

export function printTable(rows: readonly Row[]): void {
  const head: Row = { what: "what", ours: "trust", theirs: "beside it", ratio: "ratio", aim: "aim" };
  const columns = ["what", "ours", "theirs", "ratio", "aim"] as const;
  const widths = columns.map((column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  for (const row of [head, ...rows])
    console.log(
      columns
        .map((column, i) => row[column].padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

export const ms = ({ median, min, max }: Figures): string =>
  `${median.toFixed(1)} ms (${min.toFixed(1)}–${max.toFixed(1)})`;
