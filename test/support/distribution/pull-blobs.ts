import { type Content, freshContent, types, unknownDigest } from "./content.ts";
import { expectBody, expectError, expectHeader, expectRefusal, expectStatus, headerOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import { expectBlob, pushBlob, pushImage } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const pull = section("end-2 Pulling blobs");
const look = section("end-2 Checking if content exists");

const blobSize = 1000;

async function askRange(repository: Repository, range: string): Promise<{ blob: Content; answer: Answer }> {
  const blob = await pushBlob(repository, freshContent(blobSize));
  const answer = await repository.ask("GET", `blobs/${blob.descriptor.digest}`, { headers: { range } });
  return { blob, answer };
}

/** That a range is answered with the bytes from `start` to `end`, both included. */
async function expectRange(repository: Repository, range: string, start: number, end: number): Promise<void> {
  const { blob, answer } = await askRange(repository, range);
  expectStatus(answer, 206);
  expectHeader(answer, "content-range", `bytes ${start}-${end}/${blobSize}`);
  expectHeader(answer, "content-length", end - start + 1);
  expectBody(answer, blob.bytes.subarray(start, end + 1));
}

export const pullBlobs: readonly Requirement[] = [
  pull.must("blob", "gives a blob", async (repository) => {
    await expectBlob(repository, await pushBlob(repository, freshContent()));
  }),
  pull.must("blob-large", "gives a blob of many packets", async (repository) => {
    await expectBlob(repository, await pushBlob(repository, freshContent(1024 * 1024 + 17)));
  }),
  pull.should("blob-digest-header", "tells the digest of a blob", async (repository) => {
    const { digest } = (await pushBlob(repository, freshContent())).descriptor;
    const answer = expectStatus(await repository.ask("GET", `blobs/${digest}`), 200);
    expectHeader(answer, "docker-content-digest", digest);
  }),
  pull.may("blob-length", "tells the length of a blob", async (repository) => {
    const { descriptor } = await pushBlob(repository, freshContent());
    const answer = expectStatus(await repository.ask("GET", `blobs/${descriptor.digest}`), 200);
    expectHeader(answer, "content-length", descriptor.size);
  }),
  pull.must("blob-unknown", "answers 404 BLOB_UNKNOWN for an unknown blob", async (repository) => {
    await pushBlob(repository, freshContent());
    expectError(await repository.ask("GET", `blobs/${unknownDigest()}`), [404], "BLOB_UNKNOWN");
  }),
  pull.must("blob-unknown-repository", "answers 404 for a blob of an unknown repository", async (repository) => {
    expectError(await repository.ask("GET", `blobs/${unknownDigest()}`), [404], "BLOB_UNKNOWN", "NAME_UNKNOWN");
  }),
  pull.must("blob-other-repository", "keeps the blobs of repositories apart", async (repository) => {
    const { digest } = (await pushBlob(repository, freshContent())).descriptor;
    const other = repository.another();
    await pushImage(other, "latest");
    expectStatus(await other.ask("GET", `blobs/${digest}`), 404);
    expectStatus(await other.ask("HEAD", `blobs/${digest}`), 404);
  }),
  pull.must("blob-bad-digest", "refuses what is no digest", async (repository) => {
    await pushBlob(repository, freshContent());
    for (const digest of ["latest", "sha256:short", `sha256:${"G".repeat(64)}`])
      expectRefusal(await repository.ask("GET", `blobs/${digest}`));
  }),
  pull.may("blob-bad-digest-code", "calls what is no digest DIGEST_INVALID", async (repository) => {
    await pushBlob(repository, freshContent());
    expectError(await repository.ask("GET", "blobs/sha256:short"), [400, 404], "DIGEST_INVALID");
  }),

  pull.should("range-first", "gives the first bytes of a blob", (repository) =>
    expectRange(repository, "bytes=0-99", 0, 99),
  ),
  pull.should("range-middle", "gives bytes from the middle of a blob", (repository) =>
    expectRange(repository, "bytes=500-500", 500, 500),
  ),
  pull.should("range-rest", "gives a blob from a place to its end", (repository) =>
    expectRange(repository, "bytes=900-", 900, 999),
  ),
  pull.should("range-last", "gives the last bytes of a blob", (repository) =>
    expectRange(repository, "bytes=-10", 990, 999),
  ),
  pull.should("range-beyond", "ends a range where the blob ends", (repository) =>
    expectRange(repository, "bytes=990-5000", 990, 999),
  ),
  pull.should("range-unsatisfiable", "answers 416 for a range outside the blob", async (repository) => {
    const { answer } = await askRange(repository, "bytes=1000-2000");
    expectHeader(expectStatus(answer, 416), "content-range", `bytes */${blobSize}`);
  }),
  pull.should("range-backwards", "does not give bytes for a range that ends before it starts", async (repository) => {
    const { blob, answer } = await askRange(repository, "bytes=500-0");
    if (expectStatus(answer, 200, 400, 416).status === 200) expectBody(answer, blob.bytes);
  }),
  pull.should("range-other-unit", "gives the whole blob for a range in an unknown unit", async (repository) => {
    const { blob, answer } = await askRange(repository, "lines=0-9");
    if (expectStatus(answer, 200, 416).status === 200) expectBody(answer, blob.bytes);
  }),
  pull.should("range-offered", "says that it takes ranges", async (repository) => {
    const { digest } = (await pushBlob(repository, freshContent())).descriptor;
    const answer = expectStatus(await repository.ask("GET", `blobs/${digest}`), 200);
    expectHeader(answer, "accept-ranges", "bytes");
  }),
  pull.should("range-resume", "lets a broken pull go on under the same digest", async (repository) => {
    const blob = await pushBlob(repository, freshContent(4096, types.layerGzip));
    const path = `blobs/${blob.descriptor.digest}`;
    const first = await repository.ask("GET", path, { headers: { range: "bytes=0-1023" } });
    const rest = await repository.ask("GET", path, { headers: { range: "bytes=1024-" } });
    expectStatus(first, 206);
    expectBody({ ...expectStatus(rest, 206), body: Buffer.concat([first.body, rest.body]) }, blob.bytes);
    if (rest.headers["docker-content-digest"] !== undefined)
      expectHeader(rest, "docker-content-digest", blob.descriptor.digest);
  }),

  look.must("head-blob", "answers HEAD for a blob with 200 and no body", async (repository) => {
    const { digest } = (await pushBlob(repository, freshContent())).descriptor;
    expectBody(expectStatus(await repository.ask("HEAD", `blobs/${digest}`), 200), Buffer.alloc(0));
  }),
  look.should("head-blob-headers", "tells digest and size of a blob to HEAD", async (repository) => {
    const { digest, size } = (await pushBlob(repository, freshContent())).descriptor;
    const answer = expectStatus(await repository.ask("HEAD", `blobs/${digest}`), 200);
    expectHeader(answer, "docker-content-digest", digest);
    expectHeader(answer, "content-length", size);
  }),
  look.must("head-unknown-blob", "answers HEAD for an unknown blob with 404", async (repository) => {
    await pushBlob(repository, freshContent());
    expectStatus(await repository.ask("HEAD", `blobs/${unknownDigest()}`), 404);
    expectStatus(await repository.another().ask("HEAD", `blobs/${unknownDigest()}`), 404);
  }),
  look.may("head-blob-type", "says a type of content for a blob", async (repository) => {
    const { digest } = (await pushBlob(repository, freshContent())).descriptor;
    headerOf(expectStatus(await repository.ask("HEAD", `blobs/${digest}`), 200), "content-type");
  }),
];
