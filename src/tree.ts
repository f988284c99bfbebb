import { type Attached, type FoundAttached, findAttached } from "./attached/find.ts";
import { type DescribedArtifact, describeArtifact } from "./attached/item.ts";
import { type Judge, type Judgement, type Judgements, judgementKey, judgeSignatures } from "./attached/judgement.ts";
import { attachedKinds } from "./attached/kind.ts";
import { placesIn, type ReadContent } from "./attached/places.ts";
import type { Digest } from "./crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "./errors.ts";
import { type Child, listChildren } from "./oci/children.ts";
import { type Descriptor, parseManifest } from "./oci/manifest.ts";
import { mapLimit } from "./oci/parallel.ts";
import {
  formatReference,
  formatRepository,
  type ImageReference,
  manifestReference,
  type RepositoryName,
} from "./oci/reference.ts";
import type { Registry, RequestOptions } from "./oci/registry.ts";

export interface TreeRequest extends RequestOptions {
  readonly image: ImageReference;
  /** Also what hangs on everything below an index. */
  readonly recursive?: boolean | undefined;
  /** Where signatures are kept beside the image's own repository. */
  readonly signatureRepository?: RepositoryName | undefined;
  /** Whom to trust; without it nothing is judged. */
  readonly judge?: Judge | undefined;
  /** The most artifacts to look at; default 1000. */
  readonly maxAttached?: number | undefined;
}

/** An artifact in its place in the tree. */
export interface TreeItem extends DescribedArtifact {
  /** The repository, where it is not the image's own. */
  readonly repository?: string;
  /** Whether it counts; SBOMs and the like are `unsigned`. */
  readonly judgement: Judgement | { readonly state: "unsigned" };
  /** What hangs on it is shown at its first place. */
  readonly isRepeated?: true;
  readonly attached: readonly TreeItem[];
}

/** An image, or something below an index, with all that hangs on it. */
export interface TreeNode {
  readonly digest: Digest;
  readonly mediaType: string;
  /** In bytes, of the manifest. */
  readonly size: number;
  /** Of something below an index, what the index says it is for. */
  readonly platform?: string;
  readonly attached: readonly TreeItem[];
}

/** Everything that hangs on an image. Plain JSON. */
export interface ImageTree extends TreeNode {
  readonly image: string;
  /** Whether it was said whom to trust. */
  readonly isJudged: boolean;
  /** False where there is more than could be read. */
  readonly complete: boolean;
  /** How many manifests are below the index. */
  readonly below: number;
  /** Those, where they were asked for. */
  readonly children: readonly TreeNode[];
  /** What could not be read, and why. */
  readonly findings: readonly Finding[];
}

const defaultMax = 1000;
const maxDepth = 5;
const maxReadBytes = 192 * 1024 * 1024;
const maxKeptBlob = 8 * 1024 * 1024;
const readsAtOnce = 8;

/**
 * All that hangs on an image, in every place, and on that, and so on; each signature judged by itself where it is said
 * whom to trust:
 * 1. Resolve the image, and list what is below it where that is asked for.
 * 2. Find what hangs on each of them, in the image's repository and in that for signatures. What cannot be read is told.
 * 3. Describe each artifact by its content; what it says is a claim.
 * 4. Judge each signature with the code that verifies.
 *
 * Throws the errors of the registry for the image itself, only.
 */
export async function treeOf(registry: Registry, request: TreeRequest): Promise<ImageTree> {
  const { image, recursive, judge, signal } = request;
  const { descriptor, bytes } = await registry.fetchManifest(image, manifestReference(image), { signal }); // 1
  const manifest = parseManifest(bytes, descriptor.mediaType);
  const findings: Finding[] = [];
  const isIndex = manifest.kind === "index";
  const below = recursive === true && isIndex ? await childrenOf(registry, request, descriptor.digest, findings) : [];
  const subjects = [descriptor.digest, ...below.map((child) => child.descriptor.digest)];
  const homes = homesOf(request);
  const forest: Forest = { items: new Map(), complete: true, left: request.maxAttached ?? defaultMax };
  for (const home of homes) await grow(registry, home, { request, subjects, forest, findings });
  const shown = new Set<Digest>(subjects);
  const complete = forest.complete && !findings.some(({ code }) => code === "EVIDENCE_INCOMPLETE");
  return {
    image: formatReference(image),
    ...nodeOf(descriptor, forest, shown),
    isJudged: judge !== undefined,
    complete,
    below: isIndex ? manifest.manifests.length : 0,
    children: below.map((child) => ({
      ...nodeOf(child.descriptor, forest, shown),
      platform: child.isRunnable ? child.platform || "no platform" : "not run: BuildKit attestations, unsigned",
    })),
    findings: distinct(forest.complete ? findings : [...findings, toFinding(cutOff())]),
  };
}

interface Grown extends Omit<TreeItem, "attached" | "isRepeated"> {
  readonly subject: Digest;
}

interface Forest {
  /** By what they hang on. */
  readonly items: Map<Digest, Grown[]>;
  complete: boolean;
  left: number;
}

interface Growing {
  readonly request: TreeRequest;
  readonly subjects: readonly Digest[];
  readonly forest: Forest;
  readonly findings: Finding[];
}

function homesOf({ image, signatureRepository }: TreeRequest): readonly RepositoryName[] {
  const own = { registry: image.registry, repository: image.repository };
  if (signatureRepository === undefined || formatRepository(signatureRepository) === formatRepository(own))
    return [own];
  return [own, signatureRepository];
}

async function childrenOf(
  registry: Registry,
  { image, signal }: TreeRequest,
  digest: Digest,
  findings: Finding[],
): Promise<readonly Child[]> {
  try {
    return (await listChildren(registry, image, digest, signal)) ?? [];
  } catch (error) {
    findings.push(toFinding(error));
    return [];
  }
}

/** Steps 2 to 4 in one repository. */
async function grow(registry: Registry, home: RepositoryName, growing: Growing): Promise<void> {
  const { request, subjects, forest, findings } = growing;
  const { signal, image } = request;
  const found = await findAttached(registry, home, subjects, {
    signal,
    partial: true,
    onFailure: (error) => findings.push(toFinding(error)),
    maxAttached: forest.left,
    maxDepth,
  });
  forest.complete &&= found.complete;
  const own = new Set(subjects);
  const attached = found.attached.filter(({ root }) => !own.has(root.descriptor.digest));
  findings.push(...found.unreadable.map(({ digest: _, subject: __, tag: ___, ...finding }) => finding));
  const read = boundedReader(registry, home, request);
  const judged = await judgeAll({ ...found, attached }, read, request);
  const repository = formatRepository(home) === formatRepository(image) ? {} : { repository: formatRepository(home) };
  const items = await mapLimit(attached, readsAtOnce, (item) => describeArtifact(item, read, forest.left));
  for (const [i, described] of items.entries()) {
    const item = attached[i];
    if (item === undefined) continue;
    const room = described.slice(0, Math.max(0, forest.left));
    forest.left -= room.length;
    forest.complete &&= room.length === described.length;
    const grown = room.map(({ artifact, layer }) => ({
      ...artifact,
      ...repository,
      subject: item.subject,
      judgement: judgementOf(artifact, layer, judged?.get(item.subject)),
    }));
    forest.items.set(item.subject, [...(forest.items.get(item.subject) ?? []), ...grown]);
  }
}

/** Nothing where nobody said whom to trust. */
async function judgeAll(
  found: FoundAttached,
  read: ReadContent,
  { image, judge, maxAttached = defaultMax }: TreeRequest,
): Promise<ReadonlyMap<Digest, Judgements> | undefined> {
  if (judge === undefined) return undefined;
  const places = placesIn(found, read, maxAttached);
  const subjects = [...new Set(found.attached.map(({ subject }: Attached) => subject))];
  const judged = await mapLimit(subjects, 4, async (subject) => {
    return [subject, await judgeSignatures(places, { ...image, digest: subject }, subject, judge)] as const;
  });
  return new Map(judged);
}

function judgementOf(
  artifact: DescribedArtifact,
  layer: Descriptor | undefined,
  judgements: Judgements | undefined,
): TreeItem["judgement"] {
  if (!artifact.isSigned) return { state: "unsigned" };
  if (judgements === undefined) return { state: "not-judged", reason: "it was not said whom to trust" };
  const { evidence } = artifact;
  const own = evidence === undefined ? undefined : judgements.get(judgementKey(evidence, layer?.annotations));
  const ofBlob = own ?? judgements.get(`${evidence} `) ?? judgements.get(`${artifact.digest} `);
  return ofBlob ?? { state: "not-judged", reason: `this build does not verify ${artifact.format}` };
}

/** Reads what signatures are made of, each small blob once, and all together no more than a verifier would. */
function boundedReader(registry: Registry, home: RepositoryName, { signal }: TreeRequest): ReadContent {
  const known = new Map<string, Promise<Buffer>>();
  let total = 0;
  return async (descriptor, maxBytes) => {
    const { digest, size } = descriptor;
    const key = `${digest} ${size}`;
    const kept = known.get(key);
    if (kept !== undefined && size <= maxBytes) return kept;
    if (size <= maxBytes) total += size;
    if (total > maxReadBytes) throw cutOff();
    const reading = registry.fetchBlob(home, descriptor, maxBytes, { signal });
    if (size <= Math.min(maxBytes, maxKeptBlob)) known.set(key, reading);
    return reading;
  };
}

function nodeOf({ digest, mediaType, size }: Descriptor, forest: Forest, shown: Set<Digest>): TreeNode {
  return { digest, mediaType, size, attached: itemsOf(digest, forest, shown) };
}

const order = [...attachedKinds, "other"];

/** Lists may lead in circles, and to the same thing in many ways: what hangs on it is shown once. */
function itemsOf(subject: Digest, forest: Forest, shown: Set<Digest>): readonly TreeItem[] {
  const items = (forest.items.get(subject) ?? []).toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  return items.map(({ subject: _, ...item }) => {
    const hasOwn = forest.items.has(item.digest);
    if (shown.has(item.digest)) return { ...item, ...(hasOwn ? { isRepeated: true as const } : {}), attached: [] };
    shown.add(item.digest);
    return { ...item, attached: itemsOf(item.digest, forest, shown) };
  });
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.code} ${finding.message}`, finding])).values()];
}

function cutOff(): TrustError {
  return new TrustError("EVIDENCE_INCOMPLETE", "there is more than is read at once; what is shown is not all");
}
