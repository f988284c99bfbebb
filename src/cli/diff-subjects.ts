import { TrustError } from "../errors.ts";
import { parseReference } from "../oci/reference.ts";
import type { DiffSubject } from "../policy-tools/diff.ts";
import type { Recording } from "../policy-tools/recording.ts";
import type { ClusterScope } from "./cluster-subjects.ts";
import type { CommandContext } from "./command.ts";
import { readInput } from "./input.ts";
import type { ManifestText } from "./manifests.ts";
import { isCluster, type LazyCluster } from "./policy-paths.ts";

/** What a change of policies is held against, and what could not be read of it. */
export interface DiffSubjects {
  readonly subjects: readonly DiffSubject[];
  readonly errors: readonly TrustError[];
  /** Evidence among the files: then nothing else is asked. */
  readonly recordings: readonly Recording[];
}

const maxListBytes = 16 * 1024 * 1024;
/** What `kubectl` prints of a large cluster. */
const maxStdinBytes = 512 * 1024 * 1024;

export interface SubjectSources extends ClusterScope {
  /** What `--against` names. */
  readonly paths: readonly string[];
  readonly cluster: LazyCluster;
}

/**
 * Reads what `--against` names: what runs in the cluster; Kubernetes manifests, a file or a folder or standard input; recorded
 * evidence (`*.evidence.json`); a list of image names (`*.txt`), one on a line. Throws the errors of files and of the cluster,
 * `USAGE` for objects of files where several namespaces are meant.
 */
export async function readSubjects(context: CommandContext, sources: SubjectSources): Promise<DiffSubjects> {
  const read = await Promise.all(sources.paths.map((path) => readOne(context, path, sources)));
  return {
    subjects: distinct(read.flatMap(({ subjects }) => subjects)),
    errors: read.flatMap(({ errors }) => errors),
    recordings: read.flatMap(({ recordings }) => recordings),
  };
}

async function readOne(context: CommandContext, path: string, sources: SubjectSources): Promise<DiffSubjects> {
  if (isCluster(path)) {
    const { readClusterSubjects } = await import("./cluster-subjects.ts");
    return { ...(await readClusterSubjects(context, await sources.cluster.open(), sources)), recordings: [] };
  }
  if (path === "-") {
    const content = (await context.io.readStdin(maxStdinBytes)).toString("utf8");
    return fromManifests([{ file: "standard input", content }], sources);
  }
  if (path.endsWith(".evidence.json")) {
    const { readEvidence } = await import("../policy-tools/run-tests.ts");
    const recording = await readEvidence(context.resolvePath(path));
    return { subjects: recording.images.map((image) => ({ image })), errors: [], recordings: [recording] };
  }
  if (path.endsWith(".txt")) return fromList(await readInput(context, path, "the list of images", maxListBytes), path);
  const { readManifestTexts } = await import("./manifests.ts");
  return fromManifests(readManifestTexts(context.resolvePath(path)), sources);
}

async function fromManifests(
  texts: AsyncIterable<ManifestText> | Iterable<ManifestText>,
  sources: SubjectSources,
): Promise<DiffSubjects> {
  const { readManifestSubjects } = await import("./manifest-subjects.ts");
  return { ...(await readManifestSubjects(texts, namespaceIn(sources))), recordings: [] };
}

function fromList(bytes: Buffer, path: string): DiffSubjects {
  const lines = bytes.toString("utf8").split(/\r?\n/);
  const errors: TrustError[] = [];
  const subjects = lines.flatMap((line, index) => {
    const image = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (image === "") return [];
    try {
      parseReference(image);
      return [{ image }];
    } catch (cause) {
      const found = JSON.stringify(image.slice(0, 200));
      errors.push(new TrustError("CONFIG_INVALID", `${path}:${index + 1} is not an image`, { found, cause }));
      return [];
    }
  });
  return { subjects, errors, recordings: [] };
}

/** Where objects are that name no namespace. */
function namespaceIn({ namespaces: [namespace = "default", ...others] }: SubjectSources): string {
  if (others.length === 0) return namespace;
  throw new TrustError("USAGE", "several namespaces are for the cluster alone: objects in files are in one", {
    expected: "one --namespace",
    found: [namespace, ...others].join(", "),
  });
}

/** What is named twice, as by two containers of an object, is one question. */
function distinct(subjects: readonly DiffSubject[]): readonly DiffSubject[] {
  const byQuestion = new Map<string, DiffSubject>();
  for (const subject of subjects) {
    const key = JSON.stringify([subject.image, subject.usedBy, subject.object]);
    if (!byQuestion.has(key)) byQuestion.set(key, subject);
  }
  return [...byQuestion.values()];
}
