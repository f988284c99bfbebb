import { spawnSync } from "node:child_process";

/** A command line to time as a whole process. */
export interface Command {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
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

/** Runs the command once; milliseconds of wall time. Throws unless it ends with 0. */
function time({ name, file, args, env }: Command): number {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(file, args, { env: env ?? process.env, stdio: ["ignore", "ignore", "pipe"] });
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
  return milliseconds;
}

/** Runs the commands in turn, A B C A B C …, after one warm-up each, so that a drift of the machine meets all of them. */
export function compare(commands: readonly Command[], rounds: number): readonly Figures[] {
  for (const command of commands) time(command);
  const times = commands.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, command] of commands.entries()) times[i]?.push(time(command));
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
