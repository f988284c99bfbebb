import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { peer, startDockerRegistry } from "../support/peers.ts";
import { figuresOf, type Row } from "./compare.ts";

const MiB = 1024 * 1024;
/** Images of 500 MiB. */
const shapes = { "one layer": [500], "eight layers": [200, 100, 80, 50, 40, 20, 8, 2] } as const;

interface Run {
  readonly seconds: number;
  /** The most memory the process held, in MiB; 0 where the system does not say. */
  readonly memory: number;
}

/**
 * Copies images of 500 MiB between two local registries, in turn with skopeo and crane. Each round has an image of its own:
 * skopeo remembers where it has seen a blob.
 */
export async function measureCopies(dist: string, rounds: number): Promise<readonly Row[]> {
  const peers = ["docker-registry", "skopeo", "crane"].map((name) => [name, peer(name)] as const);
  const missing = peers.flatMap(([name, path]) => (path === undefined ? [name] : []));
  if (missing.length > 0) {
    console.log(`missing ${missing.join(", ")} (bash test/peers/install.sh): no row about copying\n`);
    return [];
  }
  const [source, target] = [await startDockerRegistry({}), await startDockerRegistry({})];
  try {
    const rows: Row[] = [];
    for (const [shape, sizes] of Object.entries(shapes)) {
      const runs = new Map<string, Run[]>();
      for (let round = 0; round < rounds; round++) {
        const from = `${source.host}/bench/${shape.replace(" ", "-")}-${round}:1`;
        await pushLarge(from, sizes);
        for (const [name, file, args] of tools(dist, peers))
          runs.set(name, [
            ...(runs.get(name) ?? []),
            await time(file, args(from, `${target.host}/${name}/${round}-${sizes.length}:1`)),
          ]);
      }
      rows.push(...rowsOf(shape, runs));
    }
    return rows;
  } finally {
    await source.stop();
    await target.stop();
  }
}

type Tool = readonly [name: string, file: string, args: (from: string, to: string) => readonly string[]];

function tools(dist: string, peers: readonly (readonly [string, string | undefined])[]): readonly Tool[] {
  const path = (name: string) => peers.find(([known]) => known === name)?.[1] ?? name;
  const plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
  return [
    ["trust", process.execPath, (from, to) => [dist, "copy", "--quiet", from, to]],
    [
      "skopeo",
      path("skopeo"),
      (from, to) => ["--insecure-policy", "copy", "-q", ...plain, `docker://${from}`, `docker://${to}`],
    ],
    ["crane", path("crane"), (from, to) => ["copy", from, to]],
  ];
}

async function pushLarge(name: string, sizes: readonly number[]): Promise<void> {
  const registry = createHttpRegistry();
  const ref = parseReference(name);
  const push = async (bytes: Buffer, mediaType: string) => {
    const digest = digestOf(bytes);
    await registry.pushBlob(ref, blobOf(bytes, digest));
    return { mediaType, digest, size: bytes.length };
  };
  const layers = [];
  for (const size of sizes) layers.push(await push(randomBytes(size * MiB), mediaTypes.imageLayerGzip));
  const diffIds = layers.map(({ digest }) => digest);
  const config = await push(
    Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: diffIds } })),
    mediaTypes.imageConfig,
  );
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await registry.pushManifest(ref, { bytes, mediaType: mediaTypes.imageManifest, tag: ref.tag });
  registry.close();
}

/** Runs a program to its end, looking at its memory meanwhile. */
async function time(file: string, args: readonly string[]): Promise<Run> {
  const started = performance.now();
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  let [memory, errors] = [0, ""];
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const watch = setInterval(() => {
    memory = Math.max(memory, peakOf(child.pid ?? 0));
  }, 10);
  const [code] = (await once(child, "exit")) as [number | null];
  clearInterval(watch);
  if (code !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${code}: ${errors}`);
  return { seconds: (performance.now() - started) / 1000, memory };
}

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function rowsOf(shape: string, runs: ReadonlyMap<string, readonly Run[]>): readonly Row[] {
  const figures = (name: string) => figuresOf((runs.get(name) ?? []).map(({ seconds }) => seconds));
  const memory = Math.max(...(runs.get("trust") ?? []).map((run) => run.memory));
  const ours = figures("trust");
  const show = ({ median, min, max }: typeof ours) => `${median.toFixed(2)} s (${min.toFixed(2)}–${max.toFixed(2)})`;
  return ["skopeo", "crane"].map((name) => ({
    what: `copy 500 MiB, ${shape} | ${name}`,
    ours: `${show(ours)}, ${memory.toFixed(0)} MiB`,
    theirs: show(figures(name)),
    ratio: (ours.median / figures(name).median).toFixed(2),
    aim: "≤ 1.2, < 150 MiB",
  }));
}
