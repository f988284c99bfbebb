import { acceptAll, contentOf, documentOf, types, unknownDigest } from "./content.ts";
import { expectBody, expectError, expectHeader, expectRefusal, expectStatus, fail } from "./expect.ts";
import { expectManifest, getManifest, makeImage, pushImage, pushManifest, putManifest } from "./push.ts";
import { type Requirement, section } from "./requirement.ts";

const support = section("end-1 Determining Support");
const pull = section("end-3 Pulling manifests");
const look = section("end-3 Checking if content exists");
const legacy = section("Legacy Docker support HTTP headers");

export const pullManifests: readonly Requirement[] = [
  support.must("base", "GET /v2/ answers 200", async ({ server }) => {
    expectStatus(await server.ask("GET", "/v2/"), 200);
  }),
  legacy.may("base-version", "GET /v2/ names the version of the API", async ({ server }) => {
    expectHeader(expectStatus(await server.ask("GET", "/v2/"), 200), "docker-distribution-api-version", "registry/2.0");
  }),
  pull.must("pull-by-tag", "gives a manifest by its tag, byte for byte", async (repository) => {
    const image = await pushImage(repository, "latest");
    await expectManifest(repository, image, "latest");
  }),
  pull.must("pull-by-digest", "gives a manifest by its digest, byte for byte", async (repository) => {
    const image = await pushImage(repository, "latest");
    await expectManifest(repository, image);
  }),
  pull.must("pull-as-it-was", "keeps white space, escapes and the order of fields", async (repository) => {
    const image = await makeImage(repository);
    const text = `\n{ "odd\\u0061":"\\u00e9\\/" ,\t${image.bytes.toString().slice(1)}\r\n`;
    const odd = contentOf(Buffer.from(text), types.manifest);
    expectStatus(await putManifest(repository, odd, "odd"), 201);
    await expectManifest(repository, odd, "odd");
  }),
  pull.must("pull-without-accept", "gives a manifest to who does not say what they take", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectBody(expectStatus(await repository.ask("GET", "manifests/latest"), 200), image.bytes);
  }),
  pull.should("pull-type", "says the type that the manifest was pushed as, without parameters", async (repository) => {
    const image = await pushImage(repository, "latest");
    const index = await pushManifest(repository, documentOf(types.index, { manifests: [image.descriptor] }), "index");
    expectHeader(await expectManifest(repository, image, "latest"), "content-type", types.manifest);
    expectHeader(await expectManifest(repository, index, "index"), "content-type", types.index);
    const byDigest = await getManifest(repository, index.descriptor.digest, acceptAll, "HEAD");
    expectHeader(expectStatus(byDigest, 200), "content-type", types.index);
  }),
  pull.should("pull-digest-header", "tells the digest of a manifest", async (repository) => {
    const image = await pushImage(repository, "latest");
    const { digest } = image.descriptor;
    for (const reference of ["latest", digest])
      expectHeader(await expectManifest(repository, image, reference), "docker-content-digest", digest);
  }),
  pull.may("pull-length", "tells the length of a manifest", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectHeader(await expectManifest(repository, image, "latest"), "content-length", image.bytes.length);
  }),
  pull.must("pull-unknown-tag", "answers 404 MANIFEST_UNKNOWN for an unknown tag", async (repository) => {
    await pushImage(repository, "latest");
    expectError(await getManifest(repository, "missing", acceptAll), [404], "MANIFEST_UNKNOWN");
  }),
  pull.must("pull-unknown-digest", "answers 404 MANIFEST_UNKNOWN for an unknown digest", async (repository) => {
    await pushImage(repository, "latest");
    expectError(await getManifest(repository, unknownDigest(), acceptAll), [404], "MANIFEST_UNKNOWN");
  }),
  pull.must("pull-unknown-repository", "answers 404 for a repository that does not exist", async (repository) => {
    const codes = ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"];
    expectError(await getManifest(repository, "latest", acceptAll), [404], ...codes);
    expectError(await getManifest(repository, unknownDigest(), acceptAll), [404], ...codes);
  }),
  pull.must("pull-other-repository", "keeps the manifests of repositories apart", async (repository) => {
    const { descriptor } = await pushImage(repository, "latest");
    const other = repository.another();
    await pushImage(other, "another");
    expectStatus(await getManifest(other, descriptor.digest, acceptAll), 404);
    expectStatus(await getManifest(other, "latest", acceptAll), 404);
  }),
  pull.must("pull-blob-as-manifest", "does not give a blob as a manifest", async (repository) => {
    const image = await pushImage(repository, "latest");
    const { layers } = JSON.parse(image.bytes.toString()) as { layers: [{ digest: string }] };
    expectStatus(await getManifest(repository, layers[0].digest, acceptAll), 404);
  }),
  pull.must("pull-bad-digest", "refuses a reference that is neither tag nor digest", async (repository) => {
    const { descriptor } = await pushImage(repository, "latest");
    const upperCase = descriptor.digest.replace(/[0-9a-f]+$/, (hex) => hex.toUpperCase());
    for (const reference of ["sha256:short", "sha256:", `sha256:${"g".repeat(64)}`, upperCase, `md5:${"0".repeat(32)}`])
      expectRefusal(await getManifest(repository, reference, acceptAll));
  }),

  look.must("head-by-tag", "answers HEAD for a manifest by tag with 200 and no body", async (repository) => {
    await pushImage(repository, "latest");
    expectBody(expectStatus(await getManifest(repository, "latest", acceptAll, "HEAD"), 200), Buffer.alloc(0));
  }),
  look.must("head-by-digest", "answers HEAD for a manifest by digest with 200", async (repository) => {
    const { descriptor } = await pushImage(repository, "latest");
    expectStatus(await getManifest(repository, descriptor.digest, acceptAll, "HEAD"), 200);
  }),
  look.should("head-manifest-headers", "tells digest and size of a manifest to HEAD", async (repository) => {
    const { bytes, descriptor } = await pushImage(repository, "latest");
    for (const reference of ["latest", descriptor.digest]) {
      const answer = expectStatus(await getManifest(repository, reference, acceptAll, "HEAD"), 200);
      expectHeader(answer, "docker-content-digest", descriptor.digest);
      expectHeader(answer, "content-length", bytes.length);
    }
  }),
  look.must("head-unknown-manifest", "answers HEAD for an unknown manifest with 404", async (repository) => {
    await pushImage(repository, "latest");
    for (const reference of ["missing", unknownDigest()])
      expectStatus(await getManifest(repository, reference, acceptAll, "HEAD"), 404);
    expectStatus(await getManifest(repository.another(), "latest", acceptAll, "HEAD"), 404);
  }),
  section("Warnings").must("warnings", "writes warnings, if any, as 299 and without a date", async (repository) => {
    await pushImage(repository, "latest");
    for (const path of ["manifests/latest", "manifests/missing", "tags/list"]) {
      const answer = await repository.ask("GET", path, { headers: { accept: acceptAll } });
      const warning = String(answer.headers["warning"] ?? "");
      if (!/^(?:(?:^|, )299 - "(?:[^"\\]|\\.)*")*$/.test(warning)) fail(answer, `a 299 without a date, not ${warning}`);
    }
  }),
];
