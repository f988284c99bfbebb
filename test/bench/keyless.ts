import { type MadeBundle, makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { accepted, type Case, judge, judgeByPeer } from "../support/sigstore/judges.ts";
import { createWorld, trustedRootOf, type World } from "../support/sigstore/world.ts";
import { type Figures, figuresOf, type Row } from "./compare.ts";

// Keyless bundles in the shape of the public ones: P-384 authorities, P-256 logs and SCTs, an Ed25519 log, deep trees.

const distinct = 1000;
const leavesBefore = 100_000;
const shapes: readonly (readonly [string, Recipe, string])[] = [
  ["Rekor v1", {}, "≤ 1 ms, ≥ 8×"],
  ["Rekor v2 and a timestamp", { log: "v2", timestamp: true }, "≤ 2 ms, ≥ 8×"],
];

/**
 * CPU time of one verification beside @sigstore/verify, the longest time that the event loop stood still, and many at once. CPU
 * time is that of all threads, so that waiting for a busy machine does not count. Authorities' paths are known already.
 */
export async function measureKeyless(bundles = 300): Promise<readonly Row[]> {
  const prepared = prepare(bundles);
  const rows: Row[] = [];
  for (const { shape, aim, cases } of prepared) {
    const ours = await cpuOf(cases, judge);
    const theirs = await cpuOf(cases, judgeByPeer);
    rows.push({
      what: `one bundle, ${shape}: CPU | @sigstore/verify`,
      ours: milliseconds(ours),
      theirs: milliseconds(theirs),
      ratio: `1/${(theirs.median / ours.median).toFixed(1)}`,
      aim,
    });
  }
  const many = prepared.flatMap(({ cases, others }) => [...cases, ...others]);
  return [...rows, await blockRow(prepared.flatMap(({ cases }) => cases)), await allAtOnce(many)];
}

/** Only the bundles stay: the logs they come from are large, and collecting garbage among them would be measured too. */
function prepare(bundles: number) {
  const world = createWorld();
  growLogs(world);
  const root = trustedRootOf(world);
  return shapes.map(([shape, recipe, aim]) => {
    const made = Array.from({ length: distinct / shapes.length }, () => caseOf(root, makeBundle(world, recipe)));
    return { shape, aim, cases: made.slice(0, bundles), others: made.slice(bundles) };
  });
}

function growLogs({ rekor, rekor2 }: World): void {
  for (let leaf = 0; leaf < leavesBefore; leaf++) rekor2.append(`filler ${leaf}`);
  for (let leaf = 0; leaf < leavesBefore; leaf++) rekor.append(`filler ${leaf}`, 1_700_000_000);
}

function caseOf(root: object, { bundle, artifact }: MadeBundle): Case {
  return { name: "bench", bundle: JSON.stringify(bundle), artifact, root };
}

type Judge = (subject: Case) => Promise<string> | string;

/** Milliseconds of CPU per bundle, one after the other, in the second round. */
async function cpuOf(cases: readonly Case[], verdictOf: Judge): Promise<Figures> {
  for (const subject of cases) await mustAccept(subject, verdictOf);
  const times: number[] = [];
  for (const subject of cases) {
    const before = process.cpuUsage();
    await mustAccept(subject, verdictOf);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  return figuresOf(times);
}

async function mustAccept(subject: Case, verdictOf: Judge): Promise<void> {
  const verdict = await verdictOf(subject);
  if (verdict !== accepted) throw new Error(`a valid bundle was refused: ${verdict}`);
}

/** How long the loop stood still for each bundle, in the best of several rounds: others use the machine, too. */
async function blockRow(cases: readonly Case[]): Promise<Row> {
  const longest = async (verdictOf: Judge) => {
    const times: number[] = [];
    for (const subject of cases) {
      const rounds: number[] = [];
      for (let round = 0; round < 3; round++) rounds.push(await longestTurn(() => mustAccept(subject, verdictOf)));
      times.push(Math.min(...rounds));
    }
    return times.sort((a, b) => a - b);
  };
  const ours = await longest(judge);
  const theirs = await longest(judgeByPeer);
  const at = (times: readonly number[], share: number) => times[Math.floor((times.length - 1) * share)] ?? Number.NaN;
  const text = (times: readonly number[]) =>
    `p50 ${at(times, 0.5).toFixed(2)}, p99 ${at(times, 0.99).toFixed(2)}, max ${at(times, 1).toFixed(2)} ms`;
  return {
    what: "longest turn of the event loop | @sigstore/verify",
    ours: text(ours),
    theirs: text(theirs),
    ratio: `1/${(at(theirs, 0.5) / at(ours, 0.5)).toFixed(1)}`,
    aim: "≤ 2 ms",
  };
}

/** Milliseconds between two turns, at most. (The CPU time of one thread would be better, but comes in ticks of 4 ms.) */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let isDone = false;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  turn();
  isDone = true;
  return longest;
}

/** All of them at once. */
async function allAtOnce(cases: readonly Case[]): Promise<Row> {
  const started = performance.now();
  const before = process.cpuUsage();
  await Promise.all(cases.map((subject) => mustAccept(subject, judge)));
  const elapsed = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return {
    what: `${cases.length} distinct bundles at once`,
    ours: `${elapsed.toFixed(0)} ms, ${((cases.length / elapsed) * 1000).toFixed(0)}/s, ${((user + system) / 1000 / elapsed).toFixed(2)} cores`,
    theirs: "",
    ratio: "",
    aim: "all cores",
  };
}

const milliseconds = ({ median, min, max }: Figures): string =>
  `${median.toFixed(2)} ms (${min.toFixed(2)}–${max.toFixed(2)})`;
