import { randomUUID } from "node:crypto";
import { type Content, freshContent, types, unknownDigest } from "./content.ts";
import { expectError, expectHeader, expectStatus, expectThat, headerOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import { expectBlob, expectPullable, finishUpload, follow, sendChunk, startUpload } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const begin = section("end-4a Pushing a blob in chunks");
const chunk = section("end-5 Pushing a blob in chunks");
const close = section("end-6 Pushing a blob in chunks");
const status = section("end-13 Pushing a blob in chunks");

interface Chunked {
  readonly blob: Content;
  /** Its three parts; the first two as large as the registry wants them at least. */
  readonly parts: readonly [Buffer, Buffer, Buffer];
  readonly size: number;
  readonly started: Answer;
}

/** Begins an upload of a new blob in three chunks. */
async function startChunks(repository: Repository, algorithm?: "sha512"): Promise<Chunked> {
  const started = await startUpload(repository);
  const size = Math.max(1000, Number(started.headers["oci-chunk-min-length"] ?? 0));
  const blob = freshContent(2 * size + 321, types.layer, algorithm);
  const { bytes } = blob;
  const parts = [bytes.subarray(0, size), bytes.subarray(size, 2 * size), bytes.subarray(2 * size)] as const;
  return { blob, parts: [parts[0], parts[1], parts[2]], size, started };
}

/** That the upload stands after so many bytes. */
function expectProgress(answer: Answer, size: number): Answer {
  headerOf(answer, "location");
  return expectHeader(answer, "range", `0-${size - 1}`);
}

/** Asks where the upload stands. */
async function askStatus(repository: Repository, answer: Answer): Promise<Answer> {
  return expectStatus(await follow(repository, answer, "GET"), 204);
}

export const pushChunks: readonly Requirement[] = [
  begin.must("chunks-start", "begins a chunked upload, whose least chunk, if any, is a number", async (repository) => {
    const answer = await repository.ask("POST", "blobs/uploads/", { headers: { "content-length": "0" } });
    headerOf(expectStatus(answer, 202), "location");
    const least = answer.headers["oci-chunk-min-length"] ?? "0";
    expectThat(/^\d+$/.test(String(least)), `OCI-Chunk-Min-Length: ${least}`);
  }),
  chunk.must("chunk-first", "takes the first chunk with 202, Location and Range", async (repository) => {
    const { parts, size, started } = await startChunks(repository);
    expectProgress(expectStatus(await sendChunk(repository, started, 0, parts[0]), 202), size);
  }),
  chunk.must("chunk-second", "counts all chunks together", async (repository) => {
    const { parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    expectProgress(expectStatus(await sendChunk(repository, first, size, parts[1]), 202), 2 * size);
  }),
  close.must("chunks-closed-by-put", "closes an upload with a PUT without body", async (repository) => {
    const { blob, parts, size, started } = await startChunks(repository);
    let answer = started;
    for (const [i, part] of parts.entries())
      answer = expectStatus(await sendChunk(repository, answer, i * size, part), 202);
    const closed = await finishUpload(repository, answer, blob.descriptor.digest);
    await expectPullable(repository, expectStatus(closed, 201), blob);
    await expectBlob(repository, blob);
  }),
  close.must("chunks-last-in-put", "takes the last chunk in the closing PUT", async (repository) => {
    const { blob, parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    const second = expectStatus(await sendChunk(repository, first, size, parts[1]), 202);
    const range = { "content-range": `${2 * size}-${blob.bytes.length - 1}` };
    const closed = await finishUpload(repository, second, blob.descriptor.digest, parts[2], range);
    await expectPullable(repository, expectStatus(closed, 201), blob);
  }),
  close.must("chunks-wrong-digest", "checks the digest of all chunks together", async (repository) => {
    const { parts, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    const answer = await finishUpload(repository, first, unknownDigest());
    expectError(answer, [400], "DIGEST_INVALID");
  }),
  chunk.must("chunk-skipping", "answers 416 for a chunk that leaves bytes out", async (repository) => {
    const { parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    expectStatus(await sendChunk(repository, first, 2 * size, parts[2]), 416);
  }),
  chunk.must("chunk-first-not-zero", "answers 416 for a first chunk that does not begin with 0", async (repository) => {
    const { parts, size, started } = await startChunks(repository);
    expectStatus(await sendChunk(repository, started, size, parts[1]), 416);
  }),
  chunk.must("chunk-repeated", "answers 416 for a chunk that it has already", async (repository) => {
    const { parts, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    expectStatus(await sendChunk(repository, first, 0, parts[0]), 416);
  }),
  close.must("chunk-skipping-in-put", "answers 416 for a last chunk that leaves bytes out", async (repository) => {
    const { blob, parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    const range = { "content-range": `${2 * size}-${blob.bytes.length - 1}` };
    expectStatus(await finishUpload(repository, first, blob.descriptor.digest, parts[2], range), 416);
  }),
  status.must("status-new", "tells that a new upload is there", async (repository) => {
    const answer = await askStatus(repository, await startUpload(repository));
    headerOf(answer, "location");
    expectThat(/^0-\d+$/.test(headerOf(answer, "range")), `Range: ${answer.headers["range"]}`);
  }),
  status.must("status", "tells how far an upload has come", async (repository) => {
    const { parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    expectProgress(await askStatus(repository, first), size);
    const second = expectStatus(await sendChunk(repository, first, size, parts[1]), 202);
    expectProgress(await askStatus(repository, second), 2 * size);
  }),
  status.must("resume-after-416", "lets an upload go on from where its status says", async (repository) => {
    const { blob, parts, size, started } = await startChunks(repository);
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    expectStatus(await sendChunk(repository, first, 2 * size, parts[2]), 416);
    const asked = expectProgress(await askStatus(repository, first), size);
    const second = expectStatus(await sendChunk(repository, asked, size, parts[1]), 202);
    const closed = await finishUpload(repository, second, blob.descriptor.digest, parts[2]);
    expectStatus(closed, 201);
    await expectBlob(repository, blob);
  }),
  status.must("status-unknown", "answers 404 BLOB_UPLOAD_UNKNOWN for the status of no upload", async (repository) => {
    const blob = freshContent();
    const started = await startUpload(repository);
    expectStatus(await finishUpload(repository, started, blob.descriptor.digest, blob.bytes), 201);
    expectError(await follow(repository, started, "GET"), [404], "BLOB_UPLOAD_UNKNOWN");
    expectStatus(await repository.ask("GET", `blobs/uploads/${randomUUID()}`), 404);
  }),
  chunk.must("chunk-unknown-upload", "answers 404 for a chunk of no upload", async (repository) => {
    const { blob, started, parts } = await startChunks(repository);
    expectStatus(await finishUpload(repository, started, blob.descriptor.digest, blob.bytes), 201);
    expectError(await sendChunk(repository, started, 0, parts[0]), [404], "BLOB_UPLOAD_UNKNOWN");
  }),
  section("Pushing a blob as a stream (before v1.0)").may(
    "patch-stream",
    "takes a blob as one stream without a range",
    async (repository) => {
      const blob = freshContent(70_000);
      const question = { headers: { "content-type": types.bytes }, body: blob.bytes, streamed: true };
      const patched = await follow(repository, await startUpload(repository), "PATCH", question);
      expectProgress(expectStatus(patched, 202), blob.bytes.length);
      expectStatus(await finishUpload(repository, patched, blob.descriptor.digest), 201);
      await expectBlob(repository, blob);
    },
  ),
  section("Content Digests").may("chunks-sha512", "takes chunks of a blob with a sha512 digest", async (repository) => {
    const { blob, parts, size, started } = await startChunks(repository, "sha512");
    const first = expectStatus(await sendChunk(repository, started, 0, parts[0]), 202);
    const second = expectStatus(await sendChunk(repository, first, size, parts[1]), 202);
    expectStatus(await finishUpload(repository, second, blob.descriptor.digest, parts[2]), 201);
    await expectBlob(repository, blob);
  }),
];
