import { acceptAll, unknownDigest } from "./content.ts";
import { expectError, expectRefusal, expectStatus, expectThat, jsonOf } from "./expect.ts";
import { expectManifest, getManifest, makeImage, pushImage, putManifest } from "./push.ts";
import { openRepository, type Repository, type Requirement, section } from "./requirement.ts";

const names = section("end-3 Pulling manifests, <name>");
const references = section("end-3 Pulling manifests, <reference>");

/** That everything works in a repository of that name, below or beside a new one so that it is empty. */
async function expectUsable(repository: Repository, name: string): Promise<void> {
  const named = openRepository(repository.server, name);
  const image = await pushImage(named, "latest");
  await expectManifest(named, image, "latest");
  const { config } = JSON.parse(image.bytes.toString()) as { config: { digest: string } };
  expectStatus(await named.ask("HEAD", `blobs/${config.digest}`), 200);
  const tags = jsonOf(expectStatus(await named.ask("GET", "tags/list"), 200));
  expectThat(tags["name"] === name, `the tags of ${name} are said to be of ${tags["name"]}`);
}

/** A prefix of a name that no other check has. */
function stem(repository: Repository): string {
  return repository.name.replace(/[^a-z0-9]/g, "");
}

const badNames: readonly string[] = [
  "Upper",
  "upperCASE",
  "-leading",
  "trailing-",
  ".hidden",
  "two..dots",
  "three___underscores",
  "dot-.dash",
  "a/-b",
  "a/b_",
  "sp%20ace",
  "plus+",
  "caf%C3%A9",
];

const badTags: readonly string[] = [".leading", "-leading", "sp%20ace", "plus+", "t%C3%A4g", "a%2Fb", "x".repeat(129)];

export const repositoryNames: readonly Requirement[] = [
  names.must("name-one-part", "serves a name of one part", (repository) => expectUsable(repository, stem(repository))),
  names.must("name-many-parts", "serves a name of many parts", (repository) =>
    expectUsable(repository, `${stem(repository)}/a/b/c/d/e/f/g`),
  ),
  names.must("name-separators", "serves a name with every separator", (repository) =>
    expectUsable(repository, `${stem(repository)}/a.b/c_d/e__f/g-h/i---j/0.1_2__3-4`),
  ),
  names.must("name-long", "serves a name of 200 characters", (repository) =>
    expectUsable(repository, `${stem(repository)}/${"x".repeat(199 - stem(repository).length)}`),
  ),
  names.must("name-like-endpoints", "serves names that look like endpoints", async (repository) => {
    for (const tail of ["blobs", "uploads", "blobs/uploads", "manifests", "manifests/latest", "tags", "tags/list"])
      await expectUsable(repository, `${stem(repository)}/${tail}`);
    await expectUsable(repository, `${stem(repository)}/referrers`);
  }),
  names.must("name-nested", "keeps a repository apart from those below it", async (repository) => {
    const image = await pushImage(repository, "latest");
    const below = repository.another(`${repository.name}/below`);
    expectStatus(await getManifest(below, image.descriptor.digest, acceptAll), 404);
    const other = await pushImage(below, "latest");
    await expectManifest(below, other, "latest");
    await expectManifest(repository, image, "latest");
  }),
  names.must("name-invalid", "refuses names that are none", async (repository) => {
    for (const tail of badNames) {
      const bad = repository.another(`${repository.name}/${tail}`);
      expectRefusal(await bad.ask("POST", "blobs/uploads/"));
      expectRefusal(await getManifest(bad, "latest", acceptAll));
      expectRefusal(await bad.ask("GET", "tags/list"));
    }
  }),
  names.may("name-invalid-code", "calls names that are none NAME_INVALID", async (repository) => {
    for (const tail of badNames) {
      const bad = repository.another(`${repository.name}/${tail}`);
      expectError(await bad.ask("POST", "blobs/uploads/"), [400, 404], "NAME_INVALID");
      expectError(await bad.ask("GET", `blobs/${unknownDigest()}`), [400, 404], "NAME_INVALID");
    }
  }),
  references.must("tag-forms", "takes tags of every form, up to 128 characters", async (repository) => {
    const image = await makeImage(repository);
    for (const tag of ["a", "_", "0", "A.b-C_9", "v1.2.3", "x".repeat(128), "list", "sha256-abc"]) {
      expectStatus(await putManifest(repository, image, tag), 201);
      await expectManifest(repository, image, tag);
    }
  }),
  references.must("tag-case", "tells tags in upper case from those in lower case", async (repository) => {
    const [upper, lower] = [await pushImage(repository, "RC"), await pushImage(repository, "rc")];
    await expectManifest(repository, upper, "RC");
    await expectManifest(repository, lower, "rc");
  }),
  references.must("tag-invalid", "refuses tags that are none", async (repository) => {
    const image = await makeImage(repository);
    for (const tag of badTags) {
      expectRefusal(await putManifest(repository, image, tag));
      expectRefusal(await getManifest(repository, tag, acceptAll));
    }
  }),
  section("API (RFC 3986)").should("name-escaped", "reads %-escapes in a path", async (repository) => {
    const image = await pushImage(repository, "v1");
    const path = `/v2/${repository.name.replace("spec", "%73pec")}/manifests/%76%31`;
    const answer = await repository.server.ask("GET", path, { headers: { accept: acceptAll } });
    expectStatus(answer, 200);
    const { config } = JSON.parse(image.bytes.toString()) as { config: { digest: string } };
    const escaped = await repository.ask("HEAD", `blobs/${config.digest.replace(":", "%3A")}`);
    expectStatus(escaped, 200);
  }),
];
