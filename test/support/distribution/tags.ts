import { acceptAll, documentOf, types } from "./content.ts";
import { expectError, expectNoHeader, expectStatus, expectThat, fail, jsonOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import { getManifest, makeImage, pushImage, putManifest } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const list = section("end-8a Listing Tags");
const part = section("end-8b Listing Tags");

/** Pushes one image under these tags. */
async function pushTags(repository: Repository, ...tags: readonly string[]): Promise<void> {
  const image = await makeImage(repository);
  for (const tag of tags) expectStatus(await putManifest(repository, image, tag), 201);
}

async function askTags(repository: Repository, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return expectStatus(await repository.ask("GET", "tags/list", { query }), 200);
}

function tagsOf(repository: Repository, answer: Answer): readonly string[] {
  const { name, tags } = jsonOf(answer);
  if (name !== repository.name) fail(answer, `the name ${repository.name}`);
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) fail(answer, "a list of tags");
  return tags;
}

async function listTags(repository: Repository, query?: Readonly<Record<string, string>>): Promise<readonly string[]> {
  return tagsOf(repository, await askTags(repository, query));
}

function expectTags(found: readonly string[], ...expected: readonly string[]): void {
  expectThat(found.join() === expected.join(), `expected the tags ${expected.join()}; found ${found.join()}`);
}

/** The URL of a `Link` to the next page (RFC 5988), if there is one. */
function nextPage(answer: Answer): URL | undefined {
  const { link } = answer.headers;
  if (link === undefined) return undefined;
  const [, target] = /^<([^>]+)>\s*;\s*rel="?next"?\s*$/.exec(String(link)) ?? [];
  return target === undefined ? fail(answer, `a Link <URL>; rel="next", not ${link}`) : new URL(target, answer.url);
}

export const tagLists: readonly Requirement[] = [
  list.must("tags", "lists the tags of a repository under its name", async (repository) => {
    await pushTags(repository, "b", "a");
    expectTags([...(await listTags(repository))].sort(), "a", "b");
  }),
  list.must("tags-order", "lists tags in their order, without regard to case", async (repository) => {
    await pushTags(repository, "gamma", "Beta", "rc", "alpha", "9", "10", "RC", "Zeta", "delta");
    const found = await listTags(repository);
    const inOrder = found.map((tag) => tag.toLowerCase());
    expectTags(inOrder, "10", "9", "alpha", "beta", "delta", "gamma", "rc", "rc", "zeta");
    expectThat(found.includes("rc") && found.includes("RC") && found.includes("Zeta"), `found ${found.join()}`);
  }),
  list.must("tags-none", "lists no tags where there are manifests without tags", async (repository) => {
    await pushImage(repository);
    expectTags(await listTags(repository));
  }),
  list.must("tags-unknown-repository", "answers 404 NAME_UNKNOWN for an unknown repository", async (repository) => {
    expectError(await repository.ask("GET", "tags/list"), [404], "NAME_UNKNOWN");
  }),
  list.must("tags-other-repository", "lists only tags of that repository", async (repository) => {
    await pushTags(repository, "mine");
    await pushTags(repository.another(`${repository.name}/below`), "below");
    expectTags(await listTags(repository), "mine");
  }),
  list.must("tags-of-index", "lists tags of indexes", async (repository) => {
    const image = await pushImage(repository);
    const index = documentOf(types.index, { manifests: [image.descriptor] });
    expectStatus(await putManifest(repository, index, "index"), 201);
    expectTags(await listTags(repository), "index");
    expectStatus(await getManifest(repository, "index", acceptAll), 200);
  }),

  part.must("tags-n", "lists as many tags as asked for", async (repository) => {
    await pushTags(repository, "e", "d", "c", "b", "a");
    const answer = await askTags(repository, { n: "2" });
    const found = tagsOf(repository, answer);
    if (found.length === 1) expectThat(nextPage(answer) !== undefined, "one tag and no Link to the next");
    else expectTags(found, "a", "b");
  }),
  part.must("tags-n-more", "lists all tags where more are asked for", async (repository) => {
    await pushTags(repository, "b", "a");
    const answer = await askTags(repository, { n: "10" });
    expectTags([...tagsOf(repository, answer)].sort(), "a", "b");
    expectNoHeader(answer, "link");
  }),
  part.must("tags-n-zero", "lists no tags and no next page where none are asked for", async (repository) => {
    await pushTags(repository, "b", "a");
    const answer = await askTags(repository, { n: "0" });
    expectTags(tagsOf(repository, answer));
    expectNoHeader(answer, "link");
  }),
  part.must("tags-last", "lists the tags after a tag, without it", async (repository) => {
    await pushTags(repository, "d", "c", "b", "a");
    expectTags(await listTags(repository, { last: "b" }), "c", "d");
    expectTags(await listTags(repository, { last: "d" }));
  }),
  part.must("tags-n-last", "lists so many tags after a tag", async (repository) => {
    await pushTags(repository, "e", "d", "c", "b", "a");
    expectTags(await listTags(repository, { n: "2", last: "b" }), "c", "d");
    expectTags(await listTags(repository, { n: "9", last: "d" }), "e");
  }),
  part.must("tags-last-case", "goes on after a tag in the order without regard to case", async (repository) => {
    await pushTags(repository, "a", "B", "c");
    expectTags(await listTags(repository, { last: "a" }), "B", "c");
    expectTags(await listTags(repository, { last: "B" }), "c");
  }),
  part.may("tags-last-gone", "goes on after a tag that is not there", async (repository) => {
    await pushTags(repository, "a", "c");
    expectTags(await listTags(repository, { last: "b" }), "c");
  }),
  part.may("tags-link", "links to the next page until all tags are listed", async (repository) => {
    await pushTags(repository, "e", "D", "c", "b", "a");
    let answer = await askTags(repository, { n: "2" });
    const found = [...tagsOf(repository, answer)];
    for (let next = nextPage(answer); next !== undefined && found.length < 10; next = nextPage(answer)) {
      answer = expectStatus(await repository.server.ask("GET", next), 200);
      found.push(...tagsOf(repository, answer));
    }
    expectTags(found, "a", "b", "c", "D", "e");
    expectThat(tagsOf(repository, answer).length === 1, "the last page is not the fifth tag alone");
  }),
  part.may("tags-n-invalid", "refuses a number of tags that is none", async (repository) => {
    await pushTags(repository, "a");
    for (const n of ["minus", "-1"]) expectStatus(await repository.ask("GET", "tags/list", { query: { n } }), 400);
  }),
];
