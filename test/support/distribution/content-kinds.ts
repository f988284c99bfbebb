import { type Content, contentOf, documentOf, emptyJson, freshConfig, freshContent, types } from "./content.ts";
import { expectHeader, expectStatus } from "./expect.ts";
import { expectManifest, makeArtifact, makeImage, pushBlob, pushImage, pushManifest, putManifest } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const kinds = section("end-7 Pushing Manifests");
const example = "application/vnd.example.thing.v1+json";

/** That a manifest is taken, and given back by tag and digest as the same bytes of the same type. */
async function expectKept(repository: Repository, manifest: Content): Promise<void> {
  const { mediaType, digest } = manifest.descriptor;
  await pushManifest(repository, manifest, "kept");
  for (const reference of ["kept", digest])
    expectHeader(await expectManifest(repository, manifest, reference), "content-type", mediaType);
}

function indexOf(children: readonly Content[], fields: Readonly<Record<string, unknown>> = {}): Content {
  return documentOf(types.index, { manifests: children.map(({ descriptor }) => descriptor), ...fields });
}

async function makeDockerImage(repository: Repository): Promise<Content> {
  const config = await pushBlob(repository, freshConfig(types.dockerConfig));
  const layer = await pushBlob(repository, freshContent(256, types.dockerLayer));
  return documentOf(types.dockerManifest, { config: config.descriptor, layers: [layer.descriptor] });
}

/** Kinds of manifests that the image specification has, and that a registry does not look into. */
export const contentKinds: readonly Requirement[] = [
  kinds.must("kind-image", "takes an image", async (repository) => expectKept(repository, await makeImage(repository))),
  kinds.must("kind-no-layers", "takes an image without layers", async (repository) => {
    await expectKept(repository, await makeImage(repository, { layers: [] }));
  }),
  kinds.must("kind-same-layer-twice", "takes an image that has a layer twice", async (repository) => {
    const { descriptor } = await pushBlob(repository, freshContent(256, types.layerGzip));
    await expectKept(repository, await makeImage(repository, { layers: [descriptor, descriptor] }));
  }),
  kinds.must("kind-empty-blob", "takes an image with a layer of no bytes", async (repository) => {
    const empty = await pushBlob(repository, contentOf(Buffer.alloc(0), types.layer));
    await expectKept(repository, await makeImage(repository, { layers: [empty.descriptor] }));
  }),
  kinds.must("kind-artifact", "takes an artifact with an empty configuration", async (repository) => {
    await expectKept(repository, await makeArtifact(repository, example));
  }),
  kinds.must("kind-artifact-empty", "takes an artifact that is empty but for annotations", async (repository) => {
    const layers = [emptyJson.descriptor];
    await expectKept(repository, await makeArtifact(repository, example, { layers, annotations: { a: "b" } }));
  }),
  kinds.must("kind-config-type", "takes configurations and layers of any type", async (repository) => {
    const config = await pushBlob(repository, freshContent(64, "application/vnd.example.config.v1+json"));
    const layer = await pushBlob(repository, freshContent(64, "text/plain; charset=utf-8"));
    const fields = { config: config.descriptor, layers: [layer.descriptor] };
    await expectKept(repository, await makeImage(repository, fields));
  }),
  kinds.must("kind-data", "takes descriptors with embedded data", async (repository) => {
    const config = { ...emptyJson.descriptor, data: emptyJson.bytes.toString("base64") };
    await expectKept(repository, await makeArtifact(repository, example, { config }));
  }),
  kinds.must("kind-unknown-fields", "takes and keeps fields that it does not know", async (repository) => {
    const fields = { "org.example.field": { deep: [1, null, { more: true }] }, note: "kept" };
    await expectKept(repository, await makeImage(repository, fields));
  }),
  kinds.must("kind-unicode", "takes and keeps annotations in any script", async (repository) => {
    const annotations = { "org.example.title": "Grüße, 世界 🌍 \u202eabc", ключ: '\n\t"\\\u0000', "": "empty key" };
    await expectKept(repository, await makeImage(repository, { annotations }));
  }),
  kinds.may("kind-foreign-layer", "takes an image whose layer is elsewhere", async (repository) => {
    const { descriptor } = freshContent(256, types.foreignLayer);
    const layer = { ...descriptor, urls: [`https://store.example.com/${descriptor.digest}`] };
    await expectKept(repository, await makeImage(repository, { layers: [layer] }));
  }),
  kinds.must("kind-index", "takes an index of images", async (repository) => {
    const [amd64, arm64] = [await pushImage(repository), await pushImage(repository, "arm64")];
    const manifests = [
      { ...amd64.descriptor, platform: { os: "linux", architecture: "amd64" } },
      { ...arm64.descriptor, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    ];
    await expectKept(repository, documentOf(types.index, { manifests }));
  }),
  kinds.must("kind-nested-index", "takes an index of indexes", async (repository) => {
    const inner = await pushManifest(repository, indexOf([await pushImage(repository)]));
    await expectKept(repository, indexOf([inner, await pushImage(repository)]));
  }),
  kinds.must("kind-empty-index", "takes an index of nothing", async (repository) => {
    await pushImage(repository, "latest");
    await expectKept(repository, indexOf([], { annotations: { unique: repository.name } }));
  }),
  kinds.must("kind-artifact-index", "takes an index of artifacts that has a type itself", async (repository) => {
    const child = await pushManifest(repository, await makeArtifact(repository, example));
    await expectKept(repository, indexOf([child], { artifactType: example, annotations: { a: "b" } }));
  }),
  kinds.may("kind-docker", "takes an image of Docker's type", async (repository) => {
    await expectKept(repository, await makeDockerImage(repository));
  }),
  kinds.may("kind-docker-list", "takes a manifest list of Docker's type", async (repository) => {
    const image = await pushManifest(repository, await makeDockerImage(repository));
    const manifests = [{ ...image.descriptor, platform: { os: "linux", architecture: "amd64" } }];
    await expectKept(repository, documentOf(types.dockerList, { manifests }));
  }),
  kinds.may("kind-mixed-index", "takes an index of OCI and Docker images", async (repository) => {
    const docker = await pushManifest(repository, await makeDockerImage(repository));
    await expectKept(repository, indexOf([docker, await pushImage(repository)]));
  }),
  section("Content Digests").may("kind-sha512", "takes a manifest whose digests are sha512", async (repository) => {
    const config = await pushBlob(repository, freshContent(64, types.config, "sha512"));
    const layer = await pushBlob(repository, freshContent(64, types.layerGzip, "sha512"));
    const { bytes } = documentOf(types.manifest, { config: config.descriptor, layers: [layer.descriptor] });
    const image = contentOf(bytes, types.manifest, "sha512");
    const answer = expectStatus(await putManifest(repository, image), 201);
    expectHeader(answer, "docker-content-digest", image.descriptor.digest);
    await expectManifest(repository, image);
  }),
];
