import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createHttpRegistry } from "../../../src/oci/http-registry.ts";
import { parseReference } from "../../../src/oci/reference.ts";
import { startRegistry } from "../../../src/registry/server.ts";
import { type CliResult, runTrust } from "../../support/cli.ts";
import { pushImage, tinyImage } from "../../support/images.ts";
import { requirePeer, startDockerRegistry } from "../../support/peers.ts";
import { type RunResult, run, tempDir } from "../../support/process.ts";
import { newPrivateKey, newRsaKey } from "../../support/signers.ts";
import { type Artifact, isSeparate, type KeyName, keyNames, type Shape } from "./cells.ts";

/** An artifact, and the image it is about. */
export interface Target extends Artifact {
  /** `HOST/REPOSITORY@DIGEST`; the same digest stands under the tag `1`. */
  readonly image: string;
  readonly repository: string;
}

/** Two registries, one with the referrers API and one without, a folder with a key pair of every type, and the tools. */
export interface MatrixStage {
  readonly folder: string;
  newTarget(artifact: Artifact): Promise<Target>;
  trust(shape: Shape, args: readonly string[]): Promise<CliResult>;
  peer(name: string, shape: Shape, args: readonly string[]): Promise<RunResult>;
  close(): Promise<void>;
}

const password = "test-password";

/** Type URI of the attestations of the matrix. */
export const predicateType = "https://example.com/interop/v1";

export async function openMatrixStage(): Promise<MatrixStage> {
  const folder = tempDir("interop-matrix");
  const builtIn = await startRegistry({ storage: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const docker = await startDockerRegistry();
  const builtInHost = new URL(builtIn.url).host;
  const hostOf = (shape: Shape) => (shape === "referrers-api" || shape === "oci-1-1" ? builtInHost : docker.host);
  const base = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  const envOf = (shape: Shape): Record<string, string> => ({
    ...base,
    ...(isSeparate(shape) ? { COSIGN_REPOSITORY: `${docker.host}/signatures` } : {}),
    ...(shape === "oci-1-1" ? { COSIGN_EXPERIMENTAL: "1" } : {}),
  });
  const client = createHttpRegistry({});
  let images = 0;
  const stage: MatrixStage = {
    folder: folder.path,
    async newTarget(artifact) {
      const repository = `${hostOf(artifact.shape)}/matrix/app${images++}`;
      const digest = await pushImage(client, parseReference(`${repository}:1`), tinyImage(repository));
      return { ...artifact, repository, image: `${repository}@${digest}` };
    },
    trust: (shape, args) => runTrust(args, { env: envOf(shape), folder: folder.path }),
    peer: (name, shape, args) => run(requirePeer(name), args, { env: envOf(shape), cwd: folder.path }),
    async close() {
      client.close();
      await builtIn.close();
      await docker.stop();
      folder.cleanup();
    },
  };
  await writeKeys(stage, keyNames);
  writeSettings(folder.path);
  return stage;
}

function privateKeyOf(name: KeyName) {
  switch (name) {
    case "P-256":
      return newPrivateKey("p256");
    case "P-384":
      return newPrivateKey("p384");
    case "P-521":
      return newPrivateKey("p521");
    case "Ed25519":
      return newPrivateKey("ed25519");
    default:
      return newRsaKey(Number(name.slice("RSA-".length)));
  }
}

/** `NAME.key` and `NAME.pub` of each name, and a pair that nothing is signed with. */
async function writeKeys(stage: MatrixStage, names: readonly KeyName[]): Promise<void> {
  const kinds = [...names.map((name) => [name, name] as const), ["foreign", "P-256"] as const];
  for (const [file, kind] of kinds) {
    const pem = privateKeyOf(kind).export({ type: "pkcs8", format: "pem" });
    writeFileSync(join(stage.folder, `${file}.pem`), pem);
    const { code, stderr } = await stage.trust("tag", [
      "key",
      "import",
      "--key",
      `${file}.pem`,
      "--output-prefix",
      file,
    ]);
    if (code !== 0) throw new Error(stderr);
  }
}

/** What the peers read beside keys: a predicate, an empty root, and skopeo's settings with a policy for each key. */
function writeSettings(folder: string): void {
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content);
  write("predicate.json", '{"hello":"world"}');
  write("passphrase", password);
  write("empty-root.json", '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
  for (const name of ["registries.d", "pulled"]) mkdirSync(join(folder, name));
  write("registries.d/default.yaml", "default-docker: { use-sigstore-attachments: true }\n");
  for (const key of [...keyNames, "foreign"]) {
    const keyPath = join(folder, `${key}.pub`);
    const requirement = { type: "sigstoreSigned", keyPath, signedIdentity: { type: "matchRepository" } };
    write(`${key}.policy.json`, JSON.stringify({ default: [requirement] }));
  }
}
