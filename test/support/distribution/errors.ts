import { randomUUID } from "node:crypto";
import { acceptAll, contentOf, freshContent, types, unknownDigest } from "./content.ts";
import { expectError, expectListedCodes, expectThat, headerOf, jsonOf } from "./expect.ts";
import { finishUpload, getManifest, pushBlob, pushImage, putManifest, sendChunk, startUpload } from "./push.ts";
import { type Requirement, section } from "./requirement.ts";

const { must, may } = section("Error Codes");

export const errorDocuments: readonly Requirement[] = [
  must("errors-pull", "uses only listed error codes where nothing is found", async (repository) => {
    await pushImage(repository, "latest");
    const unknown = repository.another();
    for (const where of [repository, unknown]) {
      expectListedCodes(await getManifest(where, "missing", acceptAll));
      expectListedCodes(await getManifest(where, unknownDigest(), acceptAll));
      expectListedCodes(await where.ask("GET", `blobs/${unknownDigest()}`));
      expectListedCodes(await where.ask("GET", `blobs/uploads/${randomUUID()}`));
    }
    expectListedCodes(await unknown.ask("GET", "tags/list"));
  }),
  must("errors-names", "uses only listed error codes for names, tags and digests that are none", async (repository) => {
    await pushImage(repository, "latest");
    expectListedCodes(await repository.another("Bad").ask("POST", "blobs/uploads/"));
    expectListedCodes(await getManifest(repository, "-bad", acceptAll));
    expectListedCodes(await getManifest(repository, "sha256:bad", acceptAll));
    expectListedCodes(await repository.ask("GET", "blobs/sha256:bad"));
    expectListedCodes(await repository.ask("GET", "nothing/like/this"));
  }),
  must("errors-push", "uses only listed error codes for uploads and manifests", async (repository) => {
    const { bytes } = freshContent();
    expectListedCodes(await finishUpload(repository, await startUpload(repository), unknownDigest(), bytes));
    const garbage = contentOf(Buffer.from("garbage"), types.manifest);
    expectListedCodes(await putManifest(repository, garbage, "latest"));
    expectListedCodes(await putManifest(repository, garbage, unknownDigest()));
  }),
  must("errors-range", "uses only listed error codes for ranges", async (repository) => {
    const { digest, size } = (await pushBlob(repository, freshContent())).descriptor;
    const range = `bytes=${size}-`;
    expectListedCodes(await repository.ask("GET", `blobs/${digest}`, { headers: { range } }));
  }),
  must("errors-chunk", "uses only listed error codes for chunks out of order", async (repository) => {
    const started = await startUpload(repository);
    expectListedCodes(await sendChunk(repository, started, 100, freshContent().bytes));
  }),
  must("errors-delete", "uses only listed error codes for what cannot be deleted", async (repository) => {
    await pushImage(repository, "latest");
    for (const path of [`manifests/${unknownDigest()}`, "manifests/missing", `blobs/${unknownDigest()}`])
      expectListedCodes(await repository.ask("DELETE", path));
  }),
  must("errors-pages", "uses only listed error codes, if any, for pages that are none", async (repository) => {
    await pushImage(repository, "latest");
    for (const n of ["minus", "-1", "1.5"]) {
      const answer = await repository.ask("GET", "tags/list", { query: { n } });
      if (answer.status === 200) expectThat(Array.isArray(jsonOf(answer)["tags"]), "what is listed are no tags");
      else expectListedCodes(answer);
    }
  }),
  must(
    "errors-conditions",
    "uses only listed error codes, if any, where a condition does not hold",
    async (repository) => {
      const image = await pushImage(repository, "latest");
      const headers = { "content-type": types.manifest, "if-none-match": "*" };
      expectListedCodes(await repository.ask("PUT", "manifests/latest", { headers, body: image.bytes }), 201);
    },
  ),
  may("errors-method", "answers 405 UNSUPPORTED to a method that an endpoint does not have", async (repository) => {
    await pushImage(repository, "latest");
    for (const path of [`blobs/${unknownDigest()}`, "tags/list", `referrers/${unknownDigest()}`]) {
      const answer = expectError(await repository.ask("PUT", path), [405], "UNSUPPORTED");
      headerOf(answer, "allow");
    }
  }),
];
