import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import { cosign } from "../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { signImage } from "../../src/sign.ts";
import { type FarRegistry, startFarRegistry } from "../support/far-registry.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { peer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";
import { type Command, compare, type Figures, ms, type Row } from "./compare.ts";

const verified = 100;
const signed = 50;
/** Milliseconds of round trip. */
const distances = [0, 20] as const;

/** What a measurement needs: two registries' names for one content, keys, and ways to run the tools. */
interface Scene {
  readonly near: string;
  readonly far: ReadonlyMap<number, FarRegistry>;
  readonly folder: string;
  trust(...args: readonly string[]): Command;
  cosign(version: 2 | 3, ...args: readonly string[]): Command;
  /** Runs a command that is not measured; throws where it fails. */
  must(command: Command): Promise<void>;
}

/** Many images in one call, beside cosign: verified from near and far with requests counted, and signed. */
export async function measureMany(dist: string, rounds: number): Promise<readonly Row[]> {
  const missing = ["docker-registry", "cosign2", "cosign3"].filter((name) => peer(name) === undefined);
  if (missing.length > 0) {
    console.log(`missing ${missing.join(", ")} (bash test/peers/install.sh): no row about many images\n`);
    return [];
  }
  const folder = tempDir("trust-bench-many");
  const registry = await startDockerRegistry();
  const far = new Map<number, FarRegistry>();
  try {
    for (const distance of distances) far.set(distance, await startFarRegistry(registry.host, distance));
    const scene = sceneOf(dist, folder.path, registry.host, far);
    await scene.must(scene.trust("key", "generate", "--output-prefix", "bench"));
    return [
      ...(await verifyRows(scene, 2, "cosign", rounds)),
      ...(await verifyRows(scene, 3, "bundle", rounds)),
      await signRow(scene, Math.min(rounds, 7)),
      ...(await manySignaturesRows(scene)),
    ];
  } finally {
    for (const proxy of far.values()) await proxy.stop();
    await registry.stop();
    folder.cleanup();
  }
}

function sceneOf(dist: string, folder: string, near: string, far: ReadonlyMap<number, FarRegistry>): Scene {
  const env = {
    ...process.env,
    TRUST_PASSWORD: "bench",
    COSIGN_PASSWORD: "bench",
    HOME: folder,
    DOCKER_CONFIG: folder,
  };
  return {
    near,
    far,
    folder,
    trust: (...args) => ({ name: `trust ${args[0]}`, file: process.execPath, args: [dist, ...args], env, cwd: folder }),
    cosign: (version, ...args) => ({
      name: `cosign ${version} ${args[0]}`,
      file: peer(`cosign${version}`) ?? "",
      args,
      env,
      cwd: folder,
    }),
    async must({ name, file, args, env: own }) {
      const { code, stderr } = await run(file, args, { env: own ?? {}, cwd: folder });
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
    },
  };
}

/** Pushes new images; their names without the host. */
async function pushImages(scene: Scene, name: string, count: number): Promise<readonly string[]> {
  const client = createHttpRegistry({});
  const names = Array.from({ length: count }, (_, i) => `bench/${name}-${i}:1`);
  for (const path of names) {
    const text = `${scene.near}/${path}`;
    await pushImage(client, parseReference(text), tinyImage(text));
  }
  client.close();
  return names;
}

const key = ["--key", "bench.pub"];

/** The same verification by each tool, ours first, with the registry at that host. */
type Verifications = (host: string) => readonly [Command, Command];

async function verifyRows(scene: Scene, version: 2 | 3, format: string, rounds: number): Promise<readonly Row[]> {
  const paths = await pushImages(scene, `verify-${format}`, verified);
  const at = (host: string) => paths.map((path) => `${host}/${path}`);
  await scene.must(scene.trust("sign", "--key", "bench.key", "--format", format, ...at(scene.near)));
  const commands: Verifications = (host) => [
    scene.trust("verify", ...key, ...at(host)),
    scene.cosign(version, "verify", ...key, "--insecure-ignore-tlog", ...at(host)),
  ];
  const what = `verify ${verified} images`;
  const rows: Row[] = [];
  for (const [distance, proxy] of scene.far) {
    if (distance === 0) {
      const [a, b] = await compare(commands(scene.near), rounds);
      rows.push(faster(`${what}, loopback | cosign ${version}`, a, b, 1));
      rows.push(await requestsRow(scene, `${what}, registry requests | cosign ${version}`, proxy, commands));
    } else {
      // From far away cosign takes its time; few rounds tell enough.
      const [a, b] = await compare(commands(proxy.host), Math.min(rounds, 3), { warmUp: false });
      rows.push(faster(`${what}, ${distance} ms away | cosign ${version}`, a, b, 5));
    }
  }
  return rows;
}

async function requestsRow(scene: Scene, what: string, proxy: FarRegistry, commands: Verifications): Promise<Row> {
  const counts: number[] = [];
  for (const command of commands(proxy.host)) {
    await proxy.takeRequests();
    await scene.must(command);
    counts.push((await proxy.takeRequests()).length);
  }
  const [ours = Number.NaN, theirs = Number.NaN] = counts;
  return { what, ours: `${ours}`, theirs: `${theirs}`, ratio: (ours / theirs).toFixed(2), aim: "≤ 1" };
}

const nothing: Figures = { median: Number.NaN, min: Number.NaN, max: Number.NaN };

const faster = (what: string, ours = nothing, theirs = nothing, times = 1): Row => ({
  what,
  ours: ms(ours),
  theirs: ms(theirs),
  ratio: (ours.median / theirs.median).toFixed(2),
  aim: times === 1 ? "≤ 1" : `≤ ${(1 / times).toFixed(2)} (${times} times as fast)`,
});

/** Every round signs images that nobody has signed. */
async function signRow(scene: Scene, rounds: number): Promise<Row> {
  const times = { ours: [] as Figures[], theirs: [] as Figures[] };
  for (let round = 0; round <= rounds; round++) {
    const images = async (tool: string) =>
      (await pushImages(scene, `sign-${tool}-${round}`, signed)).map((path) => `${scene.near}/${path}`);
    const flags = ["--key", "bench.key", "--tlog-upload=false", "--use-signing-config=false", "--yes"];
    const commands = {
      ours: scene.trust("sign", "--key", "bench.key", ...(await images("trust"))),
      theirs: scene.cosign(3, "sign", ...flags, ...(await images("cosign"))),
    };
    for (const who of ["ours", "theirs"] as const) {
      const [figures] = await compare([commands[who]], 1, { warmUp: false });
      // The first round only warms up.
      if (figures !== undefined && round > 0) times[who].push(figures);
    }
  }
  const sum = (all: readonly Figures[]): Figures => {
    const sorted = all.map(({ median }) => median).sort((a, b) => a - b);
    const value = (at: number) => sorted[at] ?? Number.NaN;
    return { median: value(sorted.length >> 1), min: value(0), max: value(sorted.length - 1) };
  };
  return faster(`sign ${signed} images in one call | cosign 3`, sum(times.ours), sum(times.theirs), 3);
}

/** 15 keys with three signatures each on one image, under a policy that asks for all 15. */
async function manySignaturesRows(scene: Scene): Promise<readonly Row[]> {
  const signers = Array.from({ length: 15 }, (_, i) => ({ name: `signer${i}`, signer: newSigner() }));
  for (const { name, signer } of signers)
    writeFileSync(join(scene.folder, `${name}.pub`), formatPublicKey(signer.publicKey));
  const authorities = signers.map(({ name }) => `    - { name: ${name}, key: { file: ${name}.pub } }`).join("\n");
  writeFileSync(
    join(scene.folder, "all.yaml"),
    `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: all }
spec:
  images: [{ glob: "**" }]
  threshold: ${signers.length}
  authorities:
${authorities}
`,
  );
  const rows: Row[] = [];
  const client = createHttpRegistry({});
  const { host, takeRequests } = scene.far.get(0) ?? { host: scene.near, takeRequests: async () => [] };
  for (const format of [sigstoreBundle, cosign]) {
    const [path = ""] = await pushImages(scene, `signatures-${format.name}`, 1);
    const image = parseReference(`${scene.near}/${path}`);
    for (const { signer } of signers)
      for (const build of ["1", "2", "3"])
        await signImage(client, { image, signer, formats: [format], annotations: { build }, now: Date.now() });
    await takeRequests();
    await scene.must(scene.trust("verify", "--policy", "all.yaml", `${host}/${path}`));
    const requests = await takeRequests();
    const counts = new Map<string, number>();
    for (const request of requests) counts.set(request, (counts.get(request) ?? 0) + 1);
    const blobs = [...counts].filter(([request]) => request.includes("/blobs/"));
    rows.push({
      what: `45 signatures by 15 keys on one image, ${format.name}`,
      ours: `${blobs.length} blobs, each ${Math.max(...blobs.map(([, times]) => times))} ×, ${requests.length} requests`,
      theirs: "",
      ratio: "",
      aim: "each 1 ×",
    });
  }
  client.close();
  return rows;
}
