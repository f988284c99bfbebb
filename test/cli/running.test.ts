import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RunningObject, readRunning, subjectsOf } from "../../src/cli/running.ts";
import { type Workload, workloads } from "../../webhook/workload.ts";
import { workload as objectOf, podSpec } from "../support/kube.ts";

const digest = `sha256:${"a".repeat(64)}`;
const kindOf = (kind: string) => workloads.find((row) => row.kind === kind) as Workload;

interface Made {
  readonly kind: string;
  readonly name: string;
  readonly by?: string;
  readonly images?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly replicas?: number;
  readonly status?: object;
}

/** As the API server lists it: items of a list name no kind. */
function read({ kind, name, by, images = ["app:1"], labels = {}, replicas, status }: Made): RunningObject {
  const ownerReferences =
    by === undefined ? [] : [{ uid: "other" }, { uid: by, kind: "Rollout", name: by, controller: true }];
  const {
    apiVersion: _,
    kind: __,
    ...object
  } = objectOf(kind, podSpec(...images), {
    ...{ name, uid: name, labels, ownerReferences },
  });
  const spec = { ...(object["spec"] as object), ...(replicas === undefined ? {} : { replicas }) };
  return readRunning(kindOf(kind), { ...object, spec, status });
}

const told = (...objects: readonly Made[]) =>
  subjectsOf(objects.map(read)).map(({ image, usedBy, group }) => {
    const { of, image: as, depth, objects: count } = group ?? { of: "", image: "", depth: 0, objects: 0 };
    return [image, usedBy, of, as, depth, count];
  });

describe("what runs", () => {
  test("is every image of every object, as admission sees the object", () => {
    const labels = { tier: "front" };
    const objects = [read({ kind: "Deployment", name: "web", images: ["app:1", "side:1", "app:1"], labels })];
    const namespaces = new Map([["prod", { env: "production" }]]);
    const object = {
      ...{ apiGroup: "apps", resource: "deployments", kind: "Deployment", namespace: "prod", name: "web", labels },
      namespaceLabels: { env: "production" },
    };
    expect(subjectsOf(objects, namespaces)).toEqual(
      ["app:1", "side:1"].map((image) => ({
        ...{ image, usedBy: "Deployment prod/web", object },
        group: { of: "Deployment prod/web", image, depth: 0, objects: 1 },
      })),
    );
    expect(subjectsOf(objects)[0]?.object).not.toHaveProperty("namespaceLabels");
  });

  test("is grouped under the topmost controller, and Pods that differ by name alone are one question", () => {
    const pod = (name: string, hash: string): Made => ({ kind: "Pod", name, by: "web-1", labels: { hash } });
    expect(
      told(
        pod("web-1-a", "1"),
        pod("web-1-b", "1"),
        pod("web-1-c", "2"),
        { kind: "ReplicaSet", name: "web-1", by: "web", replicas: 3 },
        { kind: "Deployment", name: "web", replicas: 3 },
      ),
    ).toEqual([
      ["app:1", "Deployment prod/web", "Deployment prod/web", "app:1", 0, 1],
      ["app:1", "Pod prod/web-1-a", "Deployment prod/web", "app:1", 2, 2],
      ["app:1", "Pod prod/web-1-c", "Deployment prod/web", "app:1", 2, 1],
      ["app:1", "ReplicaSet prod/web-1", "Deployment prod/web", "app:1", 1, 1],
    ]);
  });

  test.each([
    ["a Pod that has ended well", { kind: "Pod", name: "done", status: { phase: "Succeeded" } }],
    ["a Pod that has failed", { kind: "Pod", name: "done", status: { phase: "Failed" } }],
    [
      "a Job that is complete",
      { kind: "Job", name: "done", status: { conditions: [{ type: "Complete", status: "True" }] } },
    ],
    [
      "a Job that has failed",
      { kind: "Job", name: "done", status: { conditions: [{ type: "Failed", status: "True" }] } },
    ],
    ["a ReplicaSet that is kept for a way back", { kind: "ReplicaSet", name: "old", by: "web", replicas: 0 }],
  ])("is not %s", (_, object) => {
    expect(told(object)).toEqual([]);
  });

  test.each([
    ["a Pod whose node is silent", { kind: "Pod", name: "lost", status: { phase: "Unknown" } }],
    [
      "a Job that may fail",
      { kind: "Job", name: "job", status: { conditions: [{ type: "Failed", status: "False" }] } },
    ],
    ["a suspended Job", { kind: "Job", name: "job", status: { conditions: [{ type: "Suspended", status: "True" }] } }],
    ["a ReplicaSet of nobody that waits", { kind: "ReplicaSet", name: "own", replicas: 0 }],
    ["a Deployment that waits", { kind: "Deployment", name: "web", replicas: 0 }],
  ])("is %s", (_, object) => {
    expect(told(object)).toHaveLength(1);
  });

  test("of an old ReplicaSet that is ending is told under its Deployment, by its own image", () => {
    expect(
      told(
        { kind: "Deployment", name: "web", images: ["app:2"] },
        { kind: "ReplicaSet", name: "web-1", by: "web", replicas: 0 },
        { kind: "Pod", name: "web-1-a", by: "web-1" },
      ),
    ).toEqual([
      ["app:2", "Deployment prod/web", "Deployment prod/web", "app:2", 0, 1],
      ["app:1", "Pod prod/web-1-a", "Deployment prod/web", "app:1", 2, 1],
    ]);
  });

  test("is grouped under a controller of any kind, but not under the node that runs it", () => {
    expect(
      told(
        { kind: "ReplicaSet", name: "web-1", by: "web" },
        { kind: "Pod", name: "web-1-a", by: "web-1" },
        { kind: "Pod", name: "web-1-b", by: "web-1" },
      ),
    ).toEqual([
      ["app:1", "Pod prod/web-1-a", "Rollout prod/web", "app:1", 2, 2],
      ["app:1", "ReplicaSet prod/web-1", "Rollout prod/web", "app:1", 1, 1],
    ]);
    const metadata = {
      namespace: "prod",
      name: "proxy",
      ownerReferences: [{ uid: "n", kind: "Node", controller: true }],
    };
    const [mirror] = subjectsOf([readRunning(kindOf("Pod"), { metadata, spec: podSpec("app:1") })]);
    expect(mirror?.group).toMatchObject({ of: "Pod prod/proxy", depth: 0 });
  });

  test.each([
    ["pinned by tag and digest", `app:1@${digest}`, ["app:1"], "app:1"],
    ["pinned by digest alone", `docker.io/library/app@${digest}`, ["app:1"], "app:1"],
    ["pinned from a default tag", `app:latest@${digest}`, ["app"], "app"],
    ["of another tag", `app:2@${digest}`, ["app:1"], `app:2@${digest}`],
    ["of another repository", `other:1@${digest}`, ["app:1"], `other:1@${digest}`],
    ["that could be one of two", `app@${digest}`, ["app:1", "app:2"], `app@${digest}`],
    [
      "where the template has a digest of its own",
      `app:1@${digest}`,
      [`app:1@${digest.replace("aa", "bb")}`],
      `app:1@${digest}`,
    ],
    ["that is no name", "not a name", ["app:1"], "not a name"],
  ])("names a Pod's image %s as its controller does, where that is certain", (_, image, template, expected) => {
    const all = told(
      { kind: "DaemonSet", name: "d", images: template },
      { kind: "Pod", name: "p", by: "d", images: [image] },
    );
    expect(all.find(([, usedBy]) => usedBy === "Pod prod/p")?.[3]).toBe(expected);
  });

  test("is told where objects claim to control themselves or each other", () => {
    const ring = told(
      { kind: "Pod", name: "a", by: "b" },
      { kind: "Pod", name: "b", by: "a" },
      { kind: "Pod", name: "c", by: "c" },
    );
    expect(ring.map(([, usedBy]) => usedBy)).toEqual(["Pod prod/a", "Pod prod/b", "Pod prod/c"]);
  });

  test("that cannot be read is an error", () => {
    expect(() => readRunning(kindOf("Pod"), { metadata: { name: "x" }, spec: { containers: [{}] } })).toThrow();
  });

  test("never lacks an image of a Pod that has not ended, whatever objects say of each other", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const image = fc.constantFrom("app:1", "app:2", `app:1@${digest}`, `app@${digest}`, "side", "not a name");
    const made = (name: string) =>
      fc.record(
        {
          kind: fc.constantFrom(...workloads.map(({ kind }) => kind)),
          name: fc.constant(name),
          by: fc.constantFrom(...names, "gone"),
          images: fc.array(image, { minLength: 1, maxLength: 3 }),
          labels: fc.constantFrom({}, { x: "1" }),
          replicas: fc.constantFrom(0, 1),
          status: fc.constantFrom({}, { phase: "Running" }, { phase: "Failed" }),
        },
        { requiredKeys: ["kind", "name", "images"] },
      );
    fc.assert(
      fc.property(fc.tuple(...names.map(made)), (objects) => {
        const subjects = subjectsOf(objects.map(read));
        const runs = (object: Made) =>
          object.kind === "Pod" && (object.status as { phase?: string })?.phase !== "Failed";
        for (const object of objects.filter(runs))
          for (const each of object.images ?? [])
            expect(
              subjects.some(
                ({ image: asked, object: seen }) =>
                  asked === each && seen?.resource === "pods" && seen.labels["x"] === object.labels?.["x"],
              ),
            ).toBe(true);
      }),
    );
  });
});
