import { type Content, contentOf, type Described, documentOf, freshConfig, types, unknownDigest } from "./content.ts";
import { expectHeader, expectNoHeader, expectStatus, expectThat, fail, jsonOf } from "./expect.ts";
import type { Answer } from "./http.ts";
import { expectManifest, makeArtifact, makeImage, pushBlob, pushImage, pushManifest, putManifest } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const list = section("end-12a Listing Referrers");
const filter = section("end-12b Listing Referrers");
const push = section("end-7 Pushing Manifests with Subject");
const upgrade = section("Enabling the Referrers API");

const sbom = "application/vnd.example.sbom.v1+json";
const signature = "application/vnd.example.signature.v1";
/** What a client takes as one manifest. */
const maxListBytes = 4 * 1024 * 1024;

async function askReferrers(
  repository: Repository,
  digest: string,
  query: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer = expectStatus(await repository.ask("GET", `referrers/${digest}`, { query }), 200);
  return expectHeader(answer, "content-type", types.index);
}

/** The descriptors of a listing, which must be an image index. */
function descriptorsOf(answer: Answer): readonly Described[] {
  const { schemaVersion, mediaType, manifests } = jsonOf(answer);
  if (schemaVersion !== 2 || mediaType !== types.index || !Array.isArray(manifests)) fail(answer, "an image index");
  return manifests as readonly Described[];
}

async function listReferrers(
  repository: Repository,
  digest: string,
  query?: Readonly<Record<string, string>>,
): Promise<readonly Described[]> {
  return descriptorsOf(await askReferrers(repository, digest, query));
}

const digestsOf = (list: readonly Described[]) => list.map(({ digest }) => digest).sort();

function expectOnly(found: readonly Described[], ...expected: readonly Content[]): void {
  const [left, right] = [digestsOf(found), digestsOf(expected.map(({ descriptor }) => descriptor))];
  expectThat(
    left.join() === right.join(),
    `expected the referrers ${right.join() || "(none)"}; found ${left.join() || "(none)"}`,
  );
}

async function pushArtifact(
  repository: Repository,
  artifactType: string,
  subject: Described,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Content> {
  return pushManifest(repository, await makeArtifact(repository, artifactType, { subject, ...fields }));
}

/** The one descriptor that the referrers of an image have. */
async function onlyReferrer(repository: Repository, subject: Content): Promise<Described> {
  const found = await listReferrers(repository, subject.descriptor.digest);
  const [only] = found;
  if (only === undefined || found.length !== 1) throw new Error(`expected one referrer; found ${found.length}`);
  return only;
}

export const referrers: readonly Requirement[] = [
  list.must("referrers-none", "lists nothing for a manifest without referrers", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectOnly(await listReferrers(repository, image.descriptor.digest));
  }),
  list.must("referrers-unknown-digest", "lists nothing for an unknown digest, rather than 404", async (repository) => {
    await pushImage(repository, "latest");
    expectOnly(await listReferrers(repository, unknownDigest()));
  }),
  list.must("referrers-unknown-repository", "never answers 404 in a repository that is new", async (repository) => {
    expectOnly(await listReferrers(repository, unknownDigest()));
  }),
  list.must("referrers-bad-digest", "answers 400 for what is no digest", async (repository) => {
    await pushImage(repository, "latest");
    for (const digest of ["sha256:short", "latest", `sha256:${"G".repeat(64)}`])
      expectStatus(await repository.ask("GET", `referrers/${digest}`), 400);
  }),
  list.must("referrers", "lists an artifact that refers to an image", async (repository) => {
    const image = await pushImage(repository, "latest");
    const artifact = await pushArtifact(repository, sbom, image.descriptor);
    const { mediaType, digest, size, artifactType } = await onlyReferrer(repository, image);
    const { descriptor } = artifact;
    expectThat(digest === descriptor.digest, `digest ${digest}, not ${descriptor.digest}`);
    expectThat(mediaType === types.manifest, `mediaType ${mediaType}`);
    expectThat(size === descriptor.size, `size ${size}, not ${descriptor.size}`);
    expectThat(artifactType === sbom, `artifactType ${artifactType}`);
  }),
  list.must("referrers-several", "lists every referrer once, however it was pushed", async (repository) => {
    const image = await pushImage(repository, "latest");
    const byDigest = await pushArtifact(repository, sbom, image.descriptor);
    const byTag = await makeArtifact(repository, signature, { subject: image.descriptor });
    expectStatus(await putManifest(repository, byTag, "signature"), 201);
    expectStatus(await putManifest(repository, byTag), 201);
    const other = await pushImage(repository, undefined, { subject: image.descriptor });
    expectOnly(await listReferrers(repository, image.descriptor.digest), byDigest, byTag, other);
  }),
  list.must(
    "referrers-config-type",
    "takes the type of the configuration for that of the artifact",
    async (repository) => {
      const image = await pushImage(repository, "latest");
      const config = await pushBlob(repository, freshConfig(signature));
      const first = await makeImage(repository, { subject: image.descriptor, config: config.descriptor });
      await pushManifest(repository, first);
      expectThat(
        (await onlyReferrer(repository, image)).artifactType === signature,
        "artifactType is not the config's",
      );
      const fields = { subject: first.descriptor, config: config.descriptor, artifactType: "" };
      await pushManifest(repository, await makeImage(repository, fields));
      expectThat((await onlyReferrer(repository, first)).artifactType === signature, "an empty artifactType counts");
    },
  ),
  list.must("referrers-annotations", "copies the annotations of a referrer", async (repository) => {
    const image = await pushImage(repository, "latest");
    const annotations = { "org.example.made": "2026-01-01T00:00:00Z", "org.example.name": 'Grüße 世界 "\\\n' };
    await pushArtifact(repository, sbom, image.descriptor, { annotations });
    const found = Object.entries((await onlyReferrer(repository, image)).annotations ?? {}).sort();
    expectThat(JSON.stringify(found) === JSON.stringify(Object.entries(annotations).sort()), JSON.stringify(found));
  }),
  list.must("referrers-index", "lists indexes, with the type they have or without any", async (repository) => {
    const image = await pushImage(repository, "latest");
    const { descriptor: subject } = image;
    const index = (fields: Readonly<Record<string, unknown>>) =>
      pushManifest(repository, documentOf(types.index, { manifests: [image.descriptor], subject, ...fields }));
    const typed = await index({ artifactType: sbom, annotations: { key: "value" } });
    const untyped = await index({});
    const found = await listReferrers(repository, subject.digest);
    expectOnly(found, typed, untyped);
    for (const descriptor of found) {
      const own = descriptor.digest === typed.descriptor.digest;
      expectThat(descriptor.mediaType === types.index, `mediaType ${descriptor.mediaType}`);
      expectThat(descriptor.artifactType === (own ? sbom : undefined), `artifactType ${descriptor.artifactType}`);
      expectThat(descriptor.annotations?.["key"] === (own ? "value" : undefined), "annotations of an index");
    }
  }),
  list.must("referrers-chain", "lists referrers of referrers, each at its own subject", async (repository) => {
    const image = await pushImage(repository, "latest");
    const first = await pushArtifact(repository, sbom, image.descriptor);
    const second = await pushArtifact(repository, signature, first.descriptor);
    expectOnly(await listReferrers(repository, image.descriptor.digest), first);
    expectOnly(await listReferrers(repository, first.descriptor.digest), second);
  }),
  list.must("referrers-other-repository", "lists only referrers in the same repository", async (repository) => {
    const image = await pushImage(repository, "latest");
    const other = repository.another();
    const artifact = await pushArtifact(other, sbom, image.descriptor);
    expectOnly(await listReferrers(repository, image.descriptor.digest));
    expectOnly(await listReferrers(other, image.descriptor.digest), artifact);
  }),
  list.must("referrers-pages", "links to further pages where one would be too large", async (repository) => {
    const image = await pushImage(repository, "latest");
    const filler = "x".repeat(1_500_000);
    const pushed: Content[] = [];
    for (const order of ["1", "2", "3", "4"])
      pushed.push(await pushArtifact(repository, sbom, image.descriptor, { annotations: { filler, order } }));
    const found: Described[] = [];
    let next: URL | undefined = new URL(
      `/v2/${repository.name}/referrers/${image.descriptor.digest}`,
      repository.server.base,
    );
    for (let pages = 0; next !== undefined && pages < 10; pages++) {
      const answer: Answer = expectStatus(await repository.server.ask("GET", next), 200);
      expectThat(answer.body.length <= maxListBytes, `a page of ${answer.body.length} bytes`);
      found.push(...descriptorsOf(answer));
      const [, target] = /^<([^>]+)>\s*;\s*rel="?next"?$/.exec(String(answer.headers["link"] ?? "")) ?? [];
      next = target === undefined ? undefined : new URL(target, answer.url);
    }
    expectOnly(found, ...pushed);
  }),
  section("Content Digests").may("referrers-sha512", "lists referrers of a sha512 digest", async (repository) => {
    const { bytes } = await makeImage(repository);
    const subject = contentOf(bytes, types.manifest, "sha512");
    const artifact = await pushArtifact(repository, sbom, subject.descriptor);
    expectOnly(await listReferrers(repository, subject.descriptor.digest), artifact);
  }),

  filter.should("filter", "lists only referrers of the type asked for, and says so", async (repository) => {
    const image = await pushImage(repository, "latest");
    const wanted = await pushArtifact(repository, sbom, image.descriptor);
    await pushArtifact(repository, signature, image.descriptor);
    const answer = await askReferrers(repository, image.descriptor.digest, { artifactType: sbom });
    expectHeader(answer, "oci-filters-applied", "artifactType");
    expectOnly(descriptorsOf(answer), wanted);
  }),
  filter.should("filter-config-type", "filters by the type of the configuration as well", async (repository) => {
    const image = await pushImage(repository, "latest");
    const plain = await pushImage(repository, undefined, { subject: image.descriptor });
    await pushArtifact(repository, signature, image.descriptor);
    expectOnly(await listReferrers(repository, image.descriptor.digest, { artifactType: types.config }), plain);
  }),
  filter.should("filter-nothing", "lists nothing where no referrer has the type", async (repository) => {
    const image = await pushImage(repository, "latest");
    await pushArtifact(repository, signature, image.descriptor);
    const answer = await askReferrers(repository, image.descriptor.digest, { artifactType: sbom });
    expectHeader(answer, "oci-filters-applied", "artifactType");
    expectOnly(descriptorsOf(answer));
  }),
  filter.must("filter-not-asked", "does not claim a filter that was not asked for", async (repository) => {
    const image = await pushImage(repository, "latest");
    expectNoHeader(await askReferrers(repository, image.descriptor.digest), "oci-filters-applied");
  }),

  push.must("subject-header", "tells that it has seen the subject of a manifest", async (repository) => {
    const { descriptor } = await pushImage(repository, "latest");
    const manifest = await makeArtifact(repository, sbom, { subject: descriptor });
    expectHeader(expectStatus(await putManifest(repository, manifest), 201), "oci-subject", descriptor.digest);
    expectHeader(expectStatus(await putManifest(repository, manifest, "tag"), 201), "oci-subject", descriptor.digest);
  }),
  push.must("subject-header-index", "tells that it has seen the subject of an index", async (repository) => {
    const { descriptor } = await pushImage(repository, "latest");
    const index = documentOf(types.index, { manifests: [descriptor], subject: descriptor });
    expectHeader(expectStatus(await putManifest(repository, index), 201), "oci-subject", descriptor.digest);
  }),
  push.must("subject-header-none", "tells of no subject where there is none", async (repository) => {
    const answer = await putManifest(repository, await makeImage(repository), "latest");
    expectNoHeader(expectStatus(answer, 201), "oci-subject");
  }),
  section("end-7 Push").must(
    "subject-missing",
    "takes a manifest whose subject is not there yet",
    async (repository) => {
      const image = await makeImage(repository);
      const artifact = await makeArtifact(repository, sbom, { subject: image.descriptor });
      await pushManifest(repository, artifact);
      await expectManifest(repository, artifact);
    },
  ),
  list.must("subject-later", "lists a referrer before and after its subject is pushed", async (repository) => {
    const image = await makeImage(repository);
    const artifact = await pushArtifact(repository, sbom, image.descriptor);
    expectOnly(await listReferrers(repository, image.descriptor.digest), artifact);
    await pushManifest(repository, image, "latest");
    expectOnly(await listReferrers(repository, image.descriptor.digest), artifact);
  }),
  upgrade.must("fallback-tag", "lists what clients listed in the fallback tag, once", async (repository) => {
    const image = await pushImage(repository, "latest");
    const artifact = await pushArtifact(repository, sbom, image.descriptor);
    const index = documentOf(types.index, { manifests: [{ ...artifact.descriptor, artifactType: sbom }] });
    const tag = image.descriptor.digest.replace(":", "-");
    await pushManifest(repository, index, tag);
    expectOnly(await listReferrers(repository, image.descriptor.digest), artifact);
    await expectManifest(repository, index, tag);
  }),
];
