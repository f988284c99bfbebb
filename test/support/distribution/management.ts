import { acceptAll, type Content, documentOf, freshContent, types, unknownDigest } from "./content.ts";
import { expectError, expectRefusal, expectStatus, expectThat, jsonOf } from "./expect.ts";
import {
  expectBlob,
  expectManifest,
  getManifest,
  makeArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const tag = section("end-9 Deleting tags");
const manifest = section("end-9 Deleting Manifests");
const blob = section("end-10 Deleting Blobs");

async function deleteManifest(repository: Repository, { descriptor }: Content): Promise<void> {
  expectStatus(await repository.ask("DELETE", `manifests/${descriptor.digest}`), 202);
}

async function deleteBlob(repository: Repository, { descriptor }: Content): Promise<void> {
  expectStatus(await repository.ask("DELETE", `blobs/${descriptor.digest}`), 202);
}

async function expectGone(repository: Repository, ...references: readonly string[]): Promise<void> {
  for (const reference of references) {
    expectError(await getManifest(repository, reference, acceptAll), [404], "MANIFEST_UNKNOWN", "NAME_UNKNOWN");
    expectStatus(await getManifest(repository, reference, acceptAll, "HEAD"), 404);
  }
}

async function referrersOf(repository: Repository, { descriptor }: Content): Promise<unknown> {
  return jsonOf(expectStatus(await repository.ask("GET", `referrers/${descriptor.digest}`), 200))["manifests"];
}

const artifactType = "application/vnd.example.sbom.v1+json";

export const management: readonly Requirement[] = [
  tag.must("delete-tag", "deletes a tag with 202, or says that it does not delete tags", async (repository) => {
    await pushImage(repository, "latest");
    const answer = expectStatus(await repository.ask("DELETE", "manifests/latest"), 202, 400, 405);
    if (answer.status === 202) await expectGone(repository, "latest");
  }),
  tag.may("delete-tag-alone", "deletes a tag, and nothing but the tag", async (repository) => {
    const image = await pushImage(repository, "latest");
    await pushManifest(repository, image, "other");
    expectStatus(await repository.ask("DELETE", "manifests/latest"), 202);
    await expectGone(repository, "latest");
    await expectManifest(repository, image, "other");
    await expectManifest(repository, image);
    const { tags } = jsonOf(expectStatus(await repository.ask("GET", "tags/list"), 200));
    expectThat(JSON.stringify(tags) === '["other"]', `the tags are ${JSON.stringify(tags)}`);
  }),
  tag.may("delete-last-tag", "keeps the manifest when its only tag is deleted", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectStatus(await repository.ask("DELETE", "manifests/latest"), 202);
    await expectManifest(repository, image);
    const { tags } = jsonOf(expectStatus(await repository.ask("GET", "tags/list"), 200));
    expectThat(JSON.stringify(tags) === "[]", `the tags are ${JSON.stringify(tags)}`);
  }),
  tag.may("delete-unknown-tag", "answers 404 for a tag that is not there", async (repository) => {
    await pushImage(repository, "latest");
    expectError(await repository.ask("DELETE", "manifests/missing"), [404], "MANIFEST_UNKNOWN", "NAME_UNKNOWN");
  }),
  tag.may("delete-tag-again", "lets a deleted tag be pushed again", async (repository) => {
    await pushImage(repository, "latest");
    expectStatus(await repository.ask("DELETE", "manifests/latest"), 202);
    await expectManifest(repository, await pushImage(repository, "latest"), "latest");
  }),

  manifest.must("delete-manifest", "deletes a manifest, and every tag on it", async (repository) => {
    const image = await pushImage(repository, "one");
    await pushManifest(repository, image, "two");
    const other = await pushImage(repository, "three");
    await deleteManifest(repository, image);
    await expectGone(repository, image.descriptor.digest, "one", "two");
    await expectManifest(repository, other, "three");
  }),
  manifest.must("delete-manifest-tags", "lists none of the tags on a deleted manifest", async (repository) => {
    const image = await pushImage(repository, "one");
    await pushImage(repository, "two");
    await deleteManifest(repository, image);
    const { tags } = jsonOf(expectStatus(await repository.ask("GET", "tags/list"), 200));
    expectThat(JSON.stringify(tags) === '["two"]', `the tags are ${JSON.stringify(tags)}`);
  }),
  manifest.must("delete-unknown-repository", "answers 404 in a repository that does not exist", async (repository) => {
    expectStatus(await repository.ask("DELETE", `manifests/${unknownDigest()}`), 404);
  }),
  manifest.must(
    "delete-unknown-manifest",
    "answers 404 MANIFEST_UNKNOWN for an unknown manifest",
    async (repository) => {
      const image = await pushImage(repository, "latest");
      expectError(await repository.ask("DELETE", `manifests/${unknownDigest()}`), [404], "MANIFEST_UNKNOWN");
      await deleteManifest(repository, image);
      expectStatus(await repository.ask("DELETE", `manifests/${image.descriptor.digest}`), 404);
    },
  ),
  manifest.must("delete-manifest-again", "lets a deleted manifest be pushed again", async (repository) => {
    const image = await pushImage(repository, "latest");
    await deleteManifest(repository, image);
    expectStatus(await putManifest(repository, image, "latest"), 201);
    await expectManifest(repository, image, "latest");
  }),
  manifest.must("delete-index", "deletes an index, and keeps its children", async (repository) => {
    const child = await pushImage(repository);
    const index = await pushManifest(repository, documentOf(types.index, { manifests: [child.descriptor] }), "index");
    await deleteManifest(repository, index);
    await expectGone(repository, "index", index.descriptor.digest);
    await expectManifest(repository, child);
  }),
  manifest.must("delete-other-repository", "deletes in one repository only", async (repository) => {
    const image = await pushImage(repository, "latest");
    const other = repository.another();
    const { config, layers } = JSON.parse(image.bytes.toString()) as { config: Digested; layers: [Digested] };
    for (const { digest } of [config, layers[0]]) {
      const { body } = expectStatus(await repository.ask("GET", `blobs/${digest}`), 200);
      await pushBlob(other, { bytes: body, descriptor: { mediaType: types.bytes, digest, size: body.length } });
    }
    await pushManifest(other, image, "latest");
    await deleteManifest(repository, image);
    await expectManifest(other, image, "latest");
  }),
  section("end-12a Listing Referrers").must("delete-referrer", "lists no deleted referrer", async (repository) => {
    const image = await pushImage(repository, "latest");
    const { descriptor: subject } = image;
    const gone = await pushManifest(repository, await makeArtifact(repository, artifactType, { subject }), "gone");
    const kept = await pushManifest(repository, await makeArtifact(repository, artifactType, { subject }));
    await deleteManifest(repository, gone);
    const left = (await referrersOf(repository, image)) as readonly Digested[];
    expectThat(left.map(({ digest }) => digest).join() === kept.descriptor.digest, JSON.stringify(left));
    await deleteManifest(repository, kept);
    expectThat(JSON.stringify(await referrersOf(repository, image)) === "[]", "a deleted referrer is listed");
  }),
  section("end-12a Listing Referrers").must(
    "delete-subject",
    "lists referrers of a deleted subject",
    async (repository) => {
      const image = await pushImage(repository, "latest");
      const artifact = await makeArtifact(repository, artifactType, { subject: image.descriptor });
      await pushManifest(repository, artifact);
      await deleteManifest(repository, image);
      const left = (await referrersOf(repository, image)) as readonly Digested[];
      expectThat(left.map(({ digest }) => digest).join() === artifact.descriptor.digest, JSON.stringify(left));
      await expectManifest(repository, artifact);
    },
  ),

  blob.must("delete-blob", "deletes a blob", async (repository) => {
    const content = await pushBlob(repository, freshContent());
    await deleteBlob(repository, content);
    expectError(await repository.ask("GET", `blobs/${content.descriptor.digest}`), [404], "BLOB_UNKNOWN");
    expectStatus(await repository.ask("HEAD", `blobs/${content.descriptor.digest}`), 404);
  }),
  blob.must("delete-unknown-blob", "answers 404 BLOB_UNKNOWN for an unknown blob", async (repository) => {
    const content = await pushBlob(repository, freshContent());
    expectError(await repository.ask("DELETE", `blobs/${unknownDigest()}`), [404], "BLOB_UNKNOWN");
    await deleteBlob(repository, content);
    expectStatus(await repository.ask("DELETE", `blobs/${content.descriptor.digest}`), 404);
    expectStatus(await repository.another().ask("DELETE", `blobs/${unknownDigest()}`), 404);
  }),
  blob.must("delete-bad-blob", "refuses to delete what is no digest", async (repository) => {
    await pushBlob(repository, freshContent());
    expectRefusal(await repository.ask("DELETE", "blobs/sha256:short"));
  }),
  blob.must("delete-blob-again", "lets a deleted blob be pushed again", async (repository) => {
    const content = await pushBlob(repository, freshContent());
    await deleteBlob(repository, content);
    await expectBlob(repository, await pushBlob(repository, content));
  }),
  blob.must("delete-blob-elsewhere", "deletes a blob in one repository only", async (repository) => {
    const content = await pushBlob(repository, freshContent());
    const other = repository.another();
    await pushBlob(other, content);
    await deleteBlob(repository, content);
    await expectBlob(other, content);
  }),
];

interface Digested {
  readonly digest: string;
}
