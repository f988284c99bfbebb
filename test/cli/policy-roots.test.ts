import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { digestHex, digestOf } from "../../src/crypto/digest.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../../src/oci/manifest.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { makeBundle } from "../support/sigstore/bundles.ts";
import { githubIssuer } from "../support/sigstore/claims.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { openStage, type Stage } from "../support/stage.ts";
import { createTufRepository, type TufRepository, writeRepository } from "../support/tuf-repository.ts";

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
const apiVersion = "imagetrust.dev/v1alpha1";
const world = createWorld();
let stage: Stage;
let image: string;
let folder: ReturnType<typeof tempDir>;
let repository: TufRepository;

beforeAll(async () => {
  stage = await openStage();
  image = await pushSigned();
});
afterAll(() => stage.close());
beforeEach(() => {
  folder = tempDir("policy-roots");
  repository = createTufRepository();
  publish(trustedRootOf(world));
  writePolicies(repository.root);
});
afterEach(() => folder.cleanup());

async function pushSigned(): Promise<string> {
  const { ref, text, digest } = await stage.newImage("app");
  const bytes = Buffer.from(JSON.stringify(makeBundle(world, { subject: digestHex(digest) }).bundle));
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    artifactType: bundleType,
    config: emptyDescriptor,
    layers: [{ mediaType: bundleType, digest: digestOf(bytes), size: bytes.length }],
    subject: { mediaType: mediaTypes.imageManifest, digest, size: 0 },
  };
  const content = Buffer.from(JSON.stringify(manifest));
  for (const blob of [emptyJson, bytes]) await stage.registry.pushBlob(ref, blobOf(blob, digestOf(blob)));
  const descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(content), size: content.length };
  await attachReferrer(stage.registry, ref, { bytes: content, descriptor }, digest);
  return text;
}

function publish(root: object): void {
  repository.publish({ "trusted_root.json": JSON.stringify(root) });
  writeRepository(repository.files, join(folder.path, "mirror"));
}

function writePolicies(root: string, tuf: object = {}, require?: object): void {
  const mirror = pathToFileURL(join(folder.path, "mirror")).href;
  const repositoryOf = { root: Buffer.from(root).toString("base64"), mirror, ...tuf };
  const identities = [{ issuer: githubIssuer, subject: workflow }];
  const documents = [
    {
      ...{ apiVersion, kind: "ClusterTrustPolicy", metadata: { name: "keyless" } },
      spec: { images: [{ glob: "**" }], authorities: [{ name: "ci", keyless: { trustRoot: "acme", identities } }] },
    },
    { apiVersion, kind: "TrustRoot", metadata: { name: "acme" }, spec: { tuf: repositoryOf, require } },
  ];
  const text = documents.map((document) => JSON.stringify(document)).join("\n---\n");
  writeFileSync(join(folder.path, "policies.yaml"), text);
}

function trust(...argv: string[]) {
  return runTrust(argv, { folder: folder.path, env: { HOME: folder.path } });
}

async function judged() {
  const { code, stdout } = await trust("verify", "--policy", "policies.yaml", "-o", "json", image);
  const [{ outcome, status, policies }] = JSON.parse(stdout);
  // What matters most stands first.
  return { code, outcome, status, finding: policies[0].findings[0]?.code };
}

const update = (...argv: string[]) => trust("root", "update", "--policy", "policies.yaml", ...argv);
const unavailable = { code: 4, outcome: "deny", status: "unavailable", finding: "ROOT_STALE" };
const trusted = { code: 0, outcome: "allow", status: "trusted", finding: undefined };

test("a root that policies take from a TUF repository decides nothing before it was fetched, and decides after", async () => {
  expect(await judged()).toEqual(unavailable);
  expect(await update()).toMatchObject({ code: 0 });
  expect(await judged()).toEqual(trusted);
});

test("a TrustRoot of policy-controller with a remote repository is fetched just so", async () => {
  const foreign = "policy.sigstore.dev/v1alpha1";
  const remote = {
    root: Buffer.from(repository.root).toString("base64"),
    mirror: "https://tuf.example.com",
    targets: "keys",
  };
  const identities = [{ issuer: githubIssuer, subject: workflow }];
  const documents = [
    { apiVersion: foreign, kind: "TrustRoot", metadata: { name: "acme" }, spec: { remote } },
    {
      ...{ apiVersion: foreign, kind: "ClusterImagePolicy", metadata: { name: "keyless" } },
      spec: { images: [{ glob: "**" }], authorities: [{ keyless: { trustRootRef: "acme", identities } }] },
    },
  ];
  const text = documents.map((document) => JSON.stringify(document)).join("\n---\n");
  writeFileSync(join(folder.path, "policies.yaml"), text);
  const moved = [...repository.files].map(([path, file]) => [path.replace(/^targets\//, "keys/"), file] as const);
  writeRepository(new Map(moved), join(folder.path, "copy"));
  expect(await judged()).toEqual(unavailable);
  expect(await update("--mirror", pathToFileURL(join(folder.path, "copy")).href)).toMatchObject({ code: 0 });
  expect(await judged()).toEqual(trusted);
});

test("deciding and loading policies fetch nothing", async () => {
  await judged();
  await trust("policy", "check", "policies.yaml");
  expect(readdirSync(folder.path).sort()).toEqual(["mirror", "policies.yaml"]);
});

test("another root.json is another root, of which nothing was fetched", async () => {
  await update();
  writePolicies(createTufRepository().root);
  expect(await judged()).toEqual(unavailable);
  expect(await update()).toMatchObject({ code: 1, stdout: expect.stringContaining("TRUST_ROOT_REFUSED") });
  expect(await judged()).toEqual(unavailable);
});

test("another target is another root", async () => {
  await update();
  writePolicies(repository.root, { target: "staging.json" });
  expect(await judged()).toEqual(unavailable);
});

test("a root that the user keeps under the same name is not taken for it", async () => {
  writeFileSync(join(folder.path, "acme.json"), JSON.stringify(trustedRootOf(world)));
  expect(await trust("root", "add", "acme", "--file", "acme.json")).toMatchObject({ code: 0 });
  expect(await judged()).toEqual(unavailable);
});

test("what the document requires counts, however it was when the root was fetched", async () => {
  await update();
  writePolicies(repository.root, {}, { log: 2 });
  expect(await judged()).toMatchObject({ code: 1, outcome: "deny", status: "untrusted" });
});

test("a repository that went back in time is refused, and what was fetched stays", async () => {
  const old = new Map(repository.files);
  publish(trustedRootOf(world));
  await update();
  writeRepository(old, join(folder.path, "mirror"));
  expect(await update()).toMatchObject({ code: 1, stdout: expect.stringContaining("TRUST_ROOT_REFUSED") });
  expect(await judged()).toEqual(trusted);
});

test("what is kept and cannot be read believes nothing until it is fetched anew", async () => {
  await update();
  const kept = join(folder.path, ".config/imagetrust/trust-roots/of-policies");
  for (const name of readdirSync(kept)) writeFileSync(join(kept, name), "{");
  expect(await judged()).toEqual(unavailable);
  await update();
  expect(await judged()).toEqual(trusted);
});

test("trust root update tells what it cannot do", async () => {
  expect(await update("acme")).toMatchObject({ code: 2 });
  writeFileSync(join(folder.path, "plain.json"), JSON.stringify({ apiVersion, kind: "TrustRoot" }));
  expect(await trust("root", "update", "--policy", "plain.json")).toMatchObject({ code: 3 });
  mkdirSync(join(folder.path, "empty"));
  const mirror = pathToFileURL(join(folder.path, "empty")).href;
  expect(await update("--mirror", mirror)).toMatchObject({ code: 4 });
});

test("a webhook fetches what its policies name soon after its start, and follows what changes", async () => {
  const stopping = new AbortController();
  let output = "";
  const served = runTrust(
    ["webhook", "serve", "--policy", "policies.yaml", "--cert-dir", "certs", "--listen", "127.0.0.1:0"],
    {
      folder: folder.path,
      env: { HOME: folder.path },
      signal: stopping.signal,
      onOutput: (text) => {
        output += text;
      },
    },
  );
  try {
    for (let tries = 0; (await judged()).code !== 0; tries++) {
      if (tries > 100) throw new Error("it was not fetched");
      await sleep(100);
    }
    await sleep(2500);
  } finally {
    stopping.abort("SIGTERM");
  }
  const { code, stderr } = await served;
  expect(code).toBe(0);
  expect(output).toContain("listening on");
  expect(stderr).toContain("trust root renewed");
  expect(stderr).toContain("policies changed");
}, 30_000);
