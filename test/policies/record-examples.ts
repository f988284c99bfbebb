/**
 * Makes anew what the tests of the shipped policies rest on: the example keys, images signed with them, and the evidence
 * in policies/tests/. The private halves are thrown away at the end, so that everything is made together:
 *
 *     node test/policies/record-examples.ts
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attestImage } from "../../src/attest.ts";
import type { Digest } from "../../src/crypto/digest.ts";
import { cosign } from "../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference, type RepositoryName } from "../../src/oci/reference.ts";
import type { Registry } from "../../src/oci/registry.ts";
import { bindingAnnotations } from "../../src/policy/binding.ts";
import { formatEvidence } from "../../src/policy-tools/evidence-file.ts";
import { recordImages } from "../../src/policy-tools/record.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { signImage } from "../../src/sign.ts";
import { manifestOf } from "../copy/scene.ts";
import { descriptorOf, push } from "../oci/artifacts.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";

const root = join(import.meta.dirname, "../../policies");
const signers = {
  ci: newSigner(),
  release: newSigner(),
  security: newSigner("ed25519"),
  next: newSigner(),
  stranger: newSigner(),
};
type SignerName = keyof typeof signers;
/** When all was signed. */
const signedAt = Date.parse("2026-11-10T00:00:00Z");
const day = 24 * 3_600_000;

const storage = tempDir("record-examples");
const server = await startRegistry({ storage: join(storage.path, "storage"), listen: "127.0.0.1:0" });
const registry = named(createHttpRegistry({}), new URL(server.url).host);

/** The registry on loopback under the names of the examples: signatures speak of those. */
function named(inner: Registry, host: string): Registry {
  const at = <N extends RepositoryName>(name: N): N => ({
    ...name,
    registry: host,
    repository: `${name.registry.replaceAll(".", "-")}/${name.repository}`,
  });
  return {
    resolve: (ref, options) => inner.resolve(at(ref), options),
    fetchManifest: (name, reference, options) => inner.fetchManifest(at(name), reference, options),
    fetchBlob: (name, descriptor, max, options) => inner.fetchBlob(at(name), descriptor, max, options),
    streamBlob: (name, descriptor, options) => inner.streamBlob(at(name), descriptor, options),
    listReferrers: (name, subject, pages, options) => inner.listReferrers(at(name), subject, pages, options),
    pushBlob: (name, content, options) => inner.pushBlob(at(name), content, options),
    pushManifest: (name, manifest, options) => inner.pushManifest(at(name), manifest, options),
    deleteManifest: (name, reference, options) => inner.deleteManifest(at(name), reference, options),
    listTags: (name, options) => inner.listTags(at(name), options),
    listRepositories: (_, options) => inner.listRepositories(host, options),
  };
}

interface SignOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly now?: number;
  readonly format?: typeof cosign;
}

/** Pushes an image and has it signed; the digests of the signatures. */
async function image(name: string, by: readonly SignerName[], options: SignOptions = {}): Promise<readonly Digest[]> {
  const ref = parseReference(name);
  await pushImage(registry, ref, tinyImage(name));
  return signAll(name, by, options);
}

async function signAll(name: string, by: readonly SignerName[], options: SignOptions): Promise<readonly Digest[]> {
  const { annotations, now = signedAt, format = sigstoreBundle } = options;
  const signed: Digest[] = [];
  for (const who of by) {
    const request = { image: parseReference(name), signer: signers[who], formats: [format], annotations, now };
    const { signatures } = await signImage(registry, request);
    signed.push(...signatures.map(({ evidence }) => evidence));
  }
  return signed;
}

/** An image with that config, and without any layer. */
async function configured(name: string, config: object, by: readonly SignerName[]): Promise<void> {
  const ref = parseReference(name);
  const bytes = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config, rootfs: { type: "layers", diff_ids: [] } }),
  );
  const made = manifestOf({ config: descriptorOf(bytes, "application/vnd.oci.image.config.v1+json"), layers: [] }, [
    bytes,
  ]);
  await push(registry, ref, made);
  await registry.pushManifest(ref, { bytes: made.bytes, mediaType: made.descriptor.mediaType, tag: ref.tag });
  await signAll(name, by, {});
}

async function attest(name: string, signer: Signer, predicateType: string, predicate: object): Promise<void> {
  const request = { image: parseReference(name), signer, formats: [sigstoreBundle], predicateType, now: signedAt };
  await attestImage(registry, { ...request, predicate: Buffer.from(JSON.stringify(predicate)) });
}

const provenance = "https://slsa.dev/provenance/v1";
const vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";
const built = (id: string) => ({ buildDefinition: {}, runDetails: { builder: { id } } });
const scanned = (at: string, ...severities: string[]) => ({
  scanner: { uri: "https://scanner.example.com", result: { findings: severities.map((severity) => ({ severity })) } },
  metadata: { scanStartedOn: at, scanFinishedOn: at },
});

async function attested(name: string, builder: string, at: string, ...severities: string[]): Promise<void> {
  await image(name, ["ci"]);
  await attest(name, signers.ci, provenance, built(builder));
  await attest(name, signers.security, vuln, scanned(at, ...severities));
}

/** Records images as the evidence of the test of that name. */
async function record(test: string, ...images: readonly string[]): Promise<void> {
  const recording = await recordImages(registry, { images: images.map(parseReference), now: () => signedAt });
  writeFileSync(join(root, "tests", `${test}.evidence.json`), formatEvidence(recording));
}

mkdirSync(join(root, "tests"), { recursive: true });
for (const name of ["ci", "release", "security"] as const)
  writeFileSync(join(root, `examples/keys/example-${name}.pub`), pemOf(signers[name]));

function pemOf(signer: Signer): string {
  return signer.publicKey.keyObject.export({ type: "spki", format: "pem" }).toString();
}

const r = "registry.example.com";
const acme = "https://github.com/acme/app";

await image(`${r}/prod/app:1.2`, ["release"]);
await image(`${r}/prod/app:1.1`, ["release"], { format: cosign });
await image(`${r}/prod/app:stolen`, ["stranger"]);
await image(`${r}/prod/app:dev`, []);
await record(
  "require-signature",
  `${r}/prod/app:1.2`,
  `${r}/prod/app:1.1`,
  `${r}/prod/app:stolen`,
  `${r}/prod/app:dev`,
  `${r}/prod/app:none`,
);
await image(`${r}/payments/api:1`, ["ci", "security"]);
await image(`${r}/payments/api:2`, ["ci"]);
await image(`${r}/payments/api:3`, ["release", "release", "stranger"]);
await record("two-signers", `${r}/payments/api:1`, `${r}/payments/api:2`, `${r}/payments/api:3`);
await image(`${r}/shop/web:1`, ["release"]);
await image(`${r}/shop/web:2`, ["next"]);
await record("key-rotation", `${r}/shop/web:1`, `${r}/shop/web:2`);
await image(`${r}/base/os:1`, []);
await image(`${r}/base/os/debug:1`, []);
await record("exempt-base-images", `${r}/base/os:1`, `${r}/base/os/debug:1`);
await image(`${r}/tools/app:v1`, []);
await record("release-tags", `${r}/tools/app:v1`);
await image(`${r}/staged/app:1`, ["release"], { annotations: { stage: "production" } });
await image(`${r}/staged/app:2`, ["release"], { annotations: { stage: "test" } });
await record("signed-for-production", `${r}/staged/app:1`, `${r}/staged/app:2`);
await attested(`${r}/attested/app:1`, acme, "2026-11-18T00:00:00Z", "low");
await attested(`${r}/attested/app:2`, "https://github.com/evil/app", "2026-11-18T00:00:00Z");
await attested(`${r}/attested/app:3`, acme, "2026-11-18T00:00:00Z", "low", "critical");
await attested(`${r}/attested/app:4`, acme, "2026-10-01T00:00:00Z");
await image(`${r}/attested/app:5`, ["ci"]);
await record("attested-builds", ...[1, 2, 3, 4, 5].map((tag) => `${r}/attested/app:${tag}`));
await configured(`${r}/web/shop:user`, { User: "1000:0" }, ["release"]);
await configured(`${r}/web/shop:root`, { User: "root" }, ["release"]);
await configured(`${r}/web/shop:silent`, {}, ["release"]);
await record("not-as-root", `${r}/web/shop:user`, `${r}/web/shop:root`, `${r}/web/shop:silent`);
const stable = `${r}/releases/app:stable`;
const bound = (name: string, now: number) =>
  bindingAnnotations({ expiresIn: 30 * day, bindTo: parseReference(name) }, now);
await image(stable, ["release"], { annotations: bound(stable, signedAt) });
await image(`${r}/releases/app:other`, ["release"], { annotations: bound(stable, signedAt) });
await image(`${r}/releases/app:plain`, ["release"]);
await record("fresh-releases", stable, `${r}/releases/app:other`, `${r}/releases/app:plain`);
await image("ghcr.io/acme/app:1", ["release"]);
await record("github-actions", "ghcr.io/acme/app:1");
await image(`${r}/certified/app:1`, ["release"]);
await record("own-certificates", `${r}/certified/app:1`);
await image(`${r}/prod/checkout:1`, []);
await record("incident-exception", `${r}/prod/checkout:1`);
const [frozen = ""] = await image(`${r}/billing/api:1.2`, ["release"]);
await image(`${r}/billing/api:1.3`, ["release"]);
await image(`${r}/billing/api:2.0`, ["next"]);
const [mistake = ""] = await image(`${r}/billing/api:2.1`, ["next"]);
await record("revoked-key", ...["1.2", "1.3", "2.0", "2.1"].map((tag) => `${r}/billing/api:${tag}`));

edit("revoked-key", (text) => {
  const digests = [frozen, mistake].values();
  return withNextKey(text).replace(/sha256:[0-9a-f]{64}/g, () => digests.next().value ?? "");
});
edit("key-rotation", withNextKey);

function withNextKey(text: string): string {
  const pem = pemOf(signers.next).trimEnd().replaceAll("\n", "\n          ");
  return text.replace(/-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/, pem);
}

function edit(name: string, change: (text: string) => string): void {
  const path = join(root, `examples/${name}.yaml`);
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

await server.close();
storage.cleanup();
