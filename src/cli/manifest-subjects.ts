import { text } from "../../webhook/json.ts";
import type { TrustError } from "../errors.ts";
import type { DiffSubject } from "../policy-tools/diff.ts";
import { eachObject, imagesOfObject, type Manifest, type ManifestText, workloadOf } from "./manifests.ts";
import { type Labels, labelsOf } from "./namespace-labels.ts";
import { type RunningObject, readRunning, subjectsOf } from "./running.ts";

/** What is to be judged of manifests, and what could not be read of them. */
export interface ManifestSubjects {
  readonly subjects: readonly DiffSubject[];
  readonly errors: readonly TrustError[];
}

/**
 * The images of manifests with the objects that name them. Objects that a cluster has stored, as kubectl lists them, are taken as
 * what runs there: without what is over, and grouped. Labels of namespaces are known where the namespaces are among the objects.
 */
export async function readManifestSubjects(
  texts: AsyncIterable<ManifestText> | Iterable<ManifestText>,
  namespace: string,
): Promise<ManifestSubjects> {
  const written: DiffSubject[] = [];
  const running: RunningObject[] = [];
  const namespaces = new Map<string, Labels>();
  const errors: TrustError[] = [];
  for await (const manifest of texts)
    errors.push(
      ...eachObject(manifest, (object) => {
        const workload = isStored(object) ? workloadOf(object) : undefined;
        if (workload !== undefined) running.push(readRunning(workload, object));
        else if (isNamespace(object)) namespaces.set(text(object, "metadata", "name") ?? "", labelsOf(object));
        else written.push(...imagesOfObject(object, namespace));
      }),
    );
  const labelled = written.map((subject): DiffSubject => {
    const labels = namespaces.get(subject.object?.namespace ?? "");
    if (subject.object === undefined || labels === undefined) return subject;
    return { ...subject, object: { ...subject.object, namespaceLabels: labels } };
  });
  return { subjects: [...labelled, ...subjectsOf(running, namespaces)], errors };
}

/** Only an API server gives these. */
function isStored(object: Manifest): boolean {
  return text(object, "metadata", "uid") !== undefined && text(object, "metadata", "namespace") !== undefined;
}

function isNamespace(object: Manifest): boolean {
  return text(object, "apiVersion") === "v1" && text(object, "kind") === "Namespace";
}
