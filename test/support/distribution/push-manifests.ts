import { acceptAll, contentOf, documentOf, freshConfig, freshContent, types, unknownDigest } from "./content.ts";
import { expectError, expectHeader, expectRefusal, expectStatus, headerOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import {
  expectManifest,
  expectPullable,
  getManifest,
  makeImage,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const push = section("end-7 Pushing Manifests");
const refuse = section("end-7 Push");
const conditions = section("Referrers Tag Schema");
const tagParameters = section("end-7 (next version) Pushing Manifests with tags");

/** Either it is taken, or it is refused because content is missing. */
function expectTakenOrMissing(answer: Answer): void {
  if (answer.status !== 201) expectError(answer, [400, 404], "MANIFEST_BLOB_UNKNOWN");
}

const missing = (mediaType: string) => ({ mediaType, digest: unknownDigest(), size: 123 });

async function putWithoutLayer(repository: Repository): Promise<Answer> {
  const config = await pushBlob(repository, freshConfig());
  const image = { config: config.descriptor, layers: [missing(types.layerGzip)] };
  return putManifest(repository, documentOf(types.manifest, image), "latest");
}

async function putWithoutConfig(repository: Repository): Promise<Answer> {
  const layer = await pushBlob(repository, freshContent(256, types.layerGzip));
  const image = { config: missing(types.config), layers: [layer.descriptor] };
  return putManifest(repository, documentOf(types.manifest, image), "latest");
}

async function putWithoutChild(repository: Repository): Promise<Answer> {
  const child = await pushImage(repository);
  const index = { manifests: [child.descriptor, missing(types.manifest)] };
  return putManifest(repository, documentOf(types.index, index), "latest");
}

/** An image whose layer another repository has. */
async function putWithForeignLayer(repository: Repository): Promise<Answer> {
  return putManifest(repository, await makeImage(repository.another()), "latest");
}

function putIf(repository: Repository, manifest: { readonly bytes: Buffer }, header: string, value: string) {
  const headers = { "content-type": types.manifest, [header]: value };
  return repository.ask("PUT", "manifests/latest", { headers, body: manifest.bytes });
}

export const pushManifests: readonly Requirement[] = [
  push.must("put-by-tag", "takes a manifest under a tag and tells where it can be pulled", async (repository) => {
    const image = await makeImage(repository);
    const answer = expectStatus(await putManifest(repository, image, "latest"), 201);
    await expectPullable(repository, answer, image);
    await expectManifest(repository, image, "latest");
    await expectManifest(repository, image);
  }),
  push.must(
    "put-by-digest",
    "takes a manifest under its digest and tells where it can be pulled",
    async (repository) => {
      const image = await makeImage(repository);
      await expectPullable(repository, expectStatus(await putManifest(repository, image), 201), image);
      await expectManifest(repository, image);
    },
  ),
  push.must("put-manifest-digest-header", "tells the digest of the manifest it took", async (repository) => {
    const image = await makeImage(repository);
    for (const reference of ["latest", image.descriptor.digest]) {
      const answer = expectStatus(await putManifest(repository, image, reference), 201);
      expectHeader(answer, "docker-content-digest", image.descriptor.digest);
    }
  }),
  push.must("put-moves-tag", "moves a tag to what was pushed last, and keeps the one before", async (repository) => {
    const [first, second] = [await pushImage(repository, "latest"), await pushImage(repository, "latest")];
    await expectManifest(repository, second, "latest");
    await expectManifest(repository, first);
  }),
  push.must("put-again", "takes a manifest that it has already", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectStatus(await putManifest(repository, image, "latest"), 201);
    expectStatus(await putManifest(repository, image, "other"), 201);
    await expectManifest(repository, image, "other");
  }),
  push.must(
    "put-manifest-wrong-digest",
    "answers 400 DIGEST_INVALID where the digest is another",
    async (repository) => {
      const image = await makeImage(repository);
      const digest = unknownDigest();
      expectError(await putManifest(repository, image, digest), [400], "DIGEST_INVALID");
      expectStatus(await getManifest(repository, digest, acceptAll), 404);
      expectStatus(await getManifest(repository, image.descriptor.digest, acceptAll), 404);
    },
  ),
  push.must("put-manifest-bad-digest", "refuses a manifest under what is no digest", async (repository) => {
    const image = await makeImage(repository);
    expectStatus(await putManifest(repository, image, "sha256:baddigeststring"), 400, 404);
  }),
  push.should("put-type-parameters", "passes over parameters of the Content-Type", async (repository) => {
    const image = await makeImage(repository);
    expectStatus(await putManifest(repository, image, "latest", `${types.manifest}; charset=utf-8`), 201);
    expectHeader(await expectManifest(repository, image, "latest"), "content-type", types.manifest);
  }),
  push.must("put-without-media-type", "takes a manifest without a mediaType field", async (repository) => {
    const { config, layers } = JSON.parse((await makeImage(repository)).bytes.toString()) as Record<string, unknown>;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
    const image = await pushManifest(repository, contentOf(bytes, types.manifest), "latest");
    expectHeader(await expectManifest(repository, image, "latest"), "content-type", types.manifest);
  }),
  push.should("put-unknown-type", "gives back an unknown type as it was pushed, or refuses it", async (repository) => {
    const type = "application/vnd.example.unknown.v1+json";
    const { config, layers } = JSON.parse((await makeImage(repository)).bytes.toString()) as Record<string, unknown>;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
    const answer = await putManifest(repository, contentOf(bytes, type), "latest");
    if (answer.status !== 201) expectRefusal(answer);
    else expectHeader(await getManifest(repository, "latest", `${acceptAll}, ${type}`), "content-type", type);
  }),
  push.may("put-other-media-type", "refuses a manifest whose mediaType is not its Content-Type", async (repository) => {
    const image = await makeImage(repository);
    for (const type of [types.index, types.dockerManifest])
      expectError(await putManifest(repository, image, "latest", type), [400], "MANIFEST_INVALID");
  }),
  push.may("put-ambiguous", "refuses a document that is both manifest and index", async (repository) => {
    const image = await pushImage(repository);
    const { config, layers } = JSON.parse(image.bytes.toString()) as Record<string, unknown>;
    const both = { config, layers, manifests: [image.descriptor] };
    for (const type of [types.manifest, types.index])
      expectError(await putManifest(repository, documentOf(type, both), "both"), [400], "MANIFEST_INVALID");
  }),
  push.may("put-garbage", "refuses what is no manifest", async (repository) => {
    await pushImage(repository);
    for (const text of [
      "",
      "no JSON",
      "[]",
      "{}",
      '{"schemaVersion":2}',
      '{"schemaVersion":2,"config":7,"layers":{}}',
    ]) {
      const garbage = contentOf(Buffer.from(text), types.manifest);
      expectError(await putManifest(repository, garbage, "garbage"), [400], "MANIFEST_INVALID");
    }
  }),

  push.should("put-4-mib", "takes a manifest of 4 MiB", async (repository) => {
    const small = await makeImage(repository, { annotations: { filler: "" } });
    const filler = "x".repeat(4 * 1024 * 1024 - small.bytes.length);
    const large = contentOf(Buffer.from(small.bytes.toString().replace('"filler":""', `"filler":"${filler}"`)));
    expectStatus(await putManifest(repository, large, "large", types.manifest), 201);
    await expectManifest(repository, { ...large, descriptor: { ...large.descriptor, mediaType: types.manifest } });
  }),
  push.should("put-too-large", "answers 413 to a manifest over its limit", async (repository) => {
    const filler = "x".repeat(5 * 1024 * 1024);
    const answer = await putManifest(repository, await makeImage(repository, { annotations: { filler } }), "large");
    expectStatus(answer, 413);
  }),

  refuse.must(
    "missing-layer",
    "takes a manifest without its layer, or says that the layer is missing",
    async (repository) => expectTakenOrMissing(await putWithoutLayer(repository)),
  ),
  refuse.must("missing-config", "takes a manifest without its config, or says that it is missing", async (repository) =>
    expectTakenOrMissing(await putWithoutConfig(repository)),
  ),
  refuse.must(
    "missing-child",
    "takes an index without a child, or says that the child is missing",
    async (repository) => expectTakenOrMissing(await putWithoutChild(repository)),
  ),
  refuse.may("missing-refused", "refuses manifests whose layer, config or child is missing", async (repository) => {
    for (const put of [putWithoutLayer, putWithoutConfig, putWithoutChild, putWithForeignLayer])
      expectError(await put(repository), [400, 404], "MANIFEST_BLOB_UNKNOWN");
    expectStatus(await getManifest(repository, "latest", acceptAll), 404);
  }),

  conditions.may("put-if-none-match", "creates a tag only where there is none, if asked to", async (repository) => {
    const image = await makeImage(repository);
    expectStatus(await putIf(repository, image, "if-none-match", "*"), 201);
    expectStatus(await putIf(repository, await makeImage(repository), "if-none-match", "*"), 412);
    await expectManifest(repository, image, "latest");
  }),
  conditions.may("put-if-match", "moves a tag only from where the client saw it, if asked to", async (repository) => {
    await pushImage(repository, "latest");
    const seen = headerOf(expectStatus(await getManifest(repository, "latest", acceptAll), 200), "etag");
    const second = await makeImage(repository);
    expectStatus(await putIf(repository, second, "if-match", seen), 201);
    expectStatus(await putIf(repository, await makeImage(repository), "if-match", seen), 412);
    await expectManifest(repository, second, "latest");
  }),
  tagParameters.may("put-tags", "gives a manifest pushed by digest the tags it is asked to", async (repository) => {
    const image = await makeImage(repository);
    const path = `manifests/${image.descriptor.digest}?tag=one&tag=two`;
    const headers = { "content-type": types.manifest };
    const answer = expectStatus(await repository.ask("PUT", path, { headers, body: image.bytes }), 201);
    expectHeader(answer, "oci-tag", "one, two");
    for (const tag of ["one", "two"]) await expectManifest(repository, image, tag);
  }),
];
