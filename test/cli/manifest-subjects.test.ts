import { describe, expect, test } from "vitest";
import { readManifestSubjects } from "../../src/cli/manifest-subjects.ts";
import { podSpec, workload } from "../support/kube.ts";

const list = (...items: readonly object[]) => ({
  file: "list.json",
  content: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
});
const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "prod", labels: { env: "production" } } };
const stored = (kind: string, name: string, more: object = {}) =>
  workload(kind, podSpec("app:1"), { name, uid: name, ...more });

const read = async (...texts: readonly ReturnType<typeof list>[]) => {
  const { subjects, errors } = await readManifestSubjects(texts, "default");
  return { told: subjects.map(({ usedBy, object, group }) => [usedBy, object?.namespaceLabels, group?.of]), errors };
};

describe("manifests", () => {
  test("are judged with the labels of namespaces that are among them", async () => {
    const elsewhere = workload("Pod", podSpec("app:1"), { namespace: "lab" });
    const { told, errors } = await read(list(workload("Deployment", podSpec("app:1")), elsewhere), list(namespace));
    expect(told).toEqual([
      ["Deployment prod/app", { env: "production" }, undefined],
      ["Pod lab/app", undefined, undefined],
    ]);
    expect(errors).toEqual([]);
  });

  test("that a cluster has stored are what runs there: grouped, over several files, and without what is over", async () => {
    const by = (name: string) => ({ ownerReferences: [{ uid: name, kind: "Deployment", name, controller: true }] });
    const ended = { ...stored("Pod", "ended"), status: { phase: "Succeeded" } };
    const { told } = await read(
      list(stored("Pod", "web-1", by("web")), ended),
      list(namespace, stored("Deployment", "web")),
    );
    expect(told).toEqual([
      ["Deployment prod/web", { env: "production" }, "Deployment prod/web"],
      ["Pod prod/web-1", { env: "production" }, "Deployment prod/web"],
    ]);
  });

  test("that cannot be read are errors that name the file, and the others count", async () => {
    const broken = workload("Pod", { containers: [{ name: "x" }] }, { name: "broken", uid: "x" });
    const { told, errors } = await read(list(broken, stored("Pod", "good")));
    expect(told).toHaveLength(1);
    expect(errors).toMatchObject([{ code: "OBJECT_UNSUPPORTED", message: expect.stringMatching(/^list\.json: /) }]);
  });
});
