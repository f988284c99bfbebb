import { contentOf, freshContent, types, unknownDigest } from "./content.ts";
import { expectError, expectHeader, expectRefusal, expectStatus, expectThat, headerOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import { expectBlob, expectPullable, finishUpload, follow, pushBlob, startUpload } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const start = section("end-4a POST then PUT");
const finish = section("end-6 POST then PUT");
const single = section("end-4b Single POST");
const digests = section("Content Digests");
const cancel = section("end-14 (next version) Canceling a blob upload");

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

function postBlob(repository: Repository, digest: string, body: Uint8Array): Promise<Answer> {
  return repository.ask("POST", "blobs/uploads/", {
    query: { digest },
    headers: { "content-type": types.bytes },
    body,
  });
}

export const pushBlobs: readonly Requirement[] = [
  start.must("upload-start", "begins an upload with 202 and a Location", async (repository) => {
    headerOf(expectStatus(await repository.ask("POST", "blobs/uploads/"), 202), "location");
  }),
  start.must("upload-uuid", "names an upload by a UUID of its own", async (repository) => {
    const locations = [await startUpload(repository), await startUpload(repository)].map((answer) =>
      uuid.exec(headerOf(answer, "location")),
    );
    expectThat(
      locations.every((found) => found !== null),
      "the Location of an upload has no UUID",
    );
    expectThat(locations[0]?.[0] !== locations[1]?.[0], "two uploads have one UUID");
  }),
  finish.must("post-put", "takes a blob with 201 and tells where it can be pulled", async (repository) => {
    const blob = freshContent();
    const answer = await finishUpload(repository, await startUpload(repository), blob.descriptor.digest, blob.bytes);
    await expectPullable(repository, expectStatus(answer, 201), blob);
    await expectBlob(repository, blob);
  }),
  finish.must("post-put-streamed", "takes a blob whose length is not said before", async (repository) => {
    const { bytes, descriptor } = freshContent(70_000);
    const started = await startUpload(repository);
    const headers = { "content-type": types.bytes };
    const query = { digest: descriptor.digest };
    const answer = await follow(repository, started, "PUT", { query, headers, body: bytes, streamed: true });
    expectStatus(answer, 201);
    await expectBlob(repository, { bytes, descriptor });
  }),
  finish.must("put-digest-header", "tells, if at all, the right digest of a new blob", async (repository) => {
    const { bytes, descriptor } = freshContent();
    const answer = await finishUpload(repository, await startUpload(repository), descriptor.digest, bytes);
    expectStatus(answer, 201);
    if (answer.headers["docker-content-digest"] !== undefined)
      expectHeader(answer, "docker-content-digest", descriptor.digest);
  }),
  finish.must("put-wrong-digest", "answers 400 DIGEST_INVALID where the digest is another", async (repository) => {
    const claimed = freshContent();
    const sent = freshContent();
    const { digest } = claimed.descriptor;
    const answer = await finishUpload(repository, await startUpload(repository), digest, sent.bytes);
    expectError(answer, [400], "DIGEST_INVALID");
    expectStatus(await repository.ask("HEAD", `blobs/${digest}`), 404);
    await expectBlob(repository, await pushBlob(repository, claimed));
  }),
  finish.must("put-bad-digest", "refuses to end an upload with what is no digest", async (repository) => {
    const { bytes } = freshContent();
    for (const digest of ["sha256:short", "latest", `md5:${"0".repeat(32)}`]) {
      const answer = await finishUpload(repository, await startUpload(repository), digest, bytes);
      expectError(answer, [400], "DIGEST_INVALID", "UNSUPPORTED");
    }
  }),
  finish.must("put-no-digest", "refuses to end an upload without a digest", async (repository) => {
    const body = freshContent().bytes;
    const answer = await follow(repository, await startUpload(repository), "PUT", { body });
    expectError(answer, [400], "DIGEST_INVALID");
  }),
  finish.must(
    "put-unknown-upload",
    "answers 404 BLOB_UPLOAD_UNKNOWN for an upload that is done",
    async (repository) => {
      const { bytes, descriptor } = freshContent();
      const started = await startUpload(repository);
      expectStatus(await finishUpload(repository, started, descriptor.digest, bytes), 201);
      const again = await finishUpload(repository, started, descriptor.digest, bytes);
      expectError(again, [404], "BLOB_UPLOAD_UNKNOWN");
    },
  ),
  finish.must("blob-empty", "takes and gives a blob of no bytes", async (repository) => {
    const empty = await pushBlob(repository, contentOf(Buffer.alloc(0)));
    await expectBlob(repository, empty);
    const answer = expectStatus(await repository.ask("HEAD", `blobs/${empty.descriptor.digest}`), 200);
    expectHeader(answer, "content-length", 0);
  }),
  finish.must("blob-twice", "takes a blob that it has already", async (repository) => {
    const blob = await pushBlob(repository, freshContent());
    await expectBlob(repository, await pushBlob(repository, blob));
  }),
  section("Layer Upload De-duplication").must(
    "blob-at-once",
    "lets several clients push the same blob at the same time",
    async (repository) => {
      const blob = freshContent(50_000);
      const others = [repository, repository, repository.another()];
      const uploads = await Promise.all(others.map((other) => startUpload(other)));
      const { digest } = blob.descriptor;
      const ends = uploads.map((upload) => finishUpload(repository, upload, digest, blob.bytes));
      for (const answer of await Promise.all(ends)) expectStatus(answer, 201);
      for (const other of others) await expectBlob(other, blob);
    },
  ),

  single.must("single-post", "takes a blob in one POST, or begins an upload instead", async (repository) => {
    const blob = freshContent();
    const { digest } = blob.descriptor;
    let answer = expectStatus(await postBlob(repository, digest, blob.bytes), 201, 202);
    if (answer.status === 202) answer = expectStatus(await finishUpload(repository, answer, digest, blob.bytes), 201);
    await expectPullable(repository, answer, blob);
  }),
  single.may("single-post-done", "takes a blob in one POST", async (repository) => {
    const blob = freshContent();
    expectStatus(await postBlob(repository, blob.descriptor.digest, blob.bytes), 201);
    await expectBlob(repository, blob);
  }),
  single.must("single-post-wrong-digest", "never takes a blob under another's digest", async (repository) => {
    const { bytes } = freshContent();
    const digest = unknownDigest();
    let answer = await postBlob(repository, digest, bytes);
    if (answer.status === 202) answer = await finishUpload(repository, answer, digest, bytes);
    expectError(answer, [400], "DIGEST_INVALID");
    expectStatus(await repository.ask("HEAD", `blobs/${digest}`), 404);
  }),
  single.may("single-post-empty", "takes a blob of no bytes in one POST", async (repository) => {
    const empty = contentOf(Buffer.alloc(0));
    expectStatus(await postBlob(repository, empty.descriptor.digest, empty.bytes), 201);
    await expectBlob(repository, empty);
  }),
  single.must("single-post-bad-digest", "never takes a blob under what is no digest", async (repository) => {
    const { bytes } = freshContent();
    let answer = await postBlob(repository, "sha256:short", bytes);
    if (answer.status === 202) answer = await finishUpload(repository, answer, "sha256:short", bytes);
    expectRefusal(answer);
  }),

  digests.may("blob-sha512", "takes and gives a blob by its sha512 digest", async (repository) => {
    const blob = await pushBlob(repository, freshContent(256, types.layer, "sha512"));
    await expectBlob(repository, blob);
    const answer = await repository.ask("HEAD", `blobs/${blob.descriptor.digest}`);
    expectHeader(expectStatus(answer, 200), "docker-content-digest", blob.descriptor.digest);
  }),
  digests.must("blob-sha512-wrong", "never takes a blob under another's sha512 digest", async (repository) => {
    const { bytes } = freshContent();
    const digest = unknownDigest("sha512");
    const answer = await finishUpload(repository, await startUpload(repository), digest, bytes);
    expectError(answer, [400], "DIGEST_INVALID", "UNSUPPORTED");
  }),

  cancel.may("upload-cancel", "gives an upload up with 204, after which it is unknown", async (repository) => {
    const started = await startUpload(repository);
    expectStatus(await follow(repository, started, "DELETE"), 204);
    expectError(await follow(repository, started, "GET"), [404], "BLOB_UPLOAD_UNKNOWN");
    const { bytes, descriptor } = freshContent();
    const late = await finishUpload(repository, started, descriptor.digest, bytes);
    expectError(late, [404], "BLOB_UPLOAD_UNKNOWN");
  }),
];
