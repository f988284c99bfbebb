import { describe, expect, it } from "vitest";
import { imagesOf, isTemplate, workloads } from "../../webhook/workload.ts";
import { type KubeObject, kinds, podSpec, workload } from "../support/kube.ts";

function rowOf(kind: string) {
  const row = workloads.find((candidate) => candidate.kind === kind);
  if (row === undefined) throw new Error(kind);
  return row;
}

function images(object: KubeObject) {
  return imagesOf(rowOf(object.kind), object);
}

const image = "registry.example.com/app:1";

describe("imagesOf", () => {
  it.each(Object.keys(kinds))("finds the containers of a %s at a path that leads to them", (kind) => {
    const object = workload(kind, podSpec(image));
    const [use, ...more] = images(object);
    expect(more).toEqual([]);
    expect(use?.image).toBe(image);
    const steps = use?.path.slice(1).split("/") ?? [];
    expect(steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], object)).toBe(image);
  });

  it("knows every kind once", () => {
    expect(workloads.map((row) => row.kind).toSorted()).toEqual(Object.keys(kinds).toSorted());
    expect(workloads.filter((row) => !isTemplate(row)).map((row) => row.kind)).toEqual(["Pod"]);
  });

  it("finds init containers, ephemeral containers and image volumes too", () => {
    const spec = {
      initContainers: [{ name: "i", image: "init" }],
      containers: [{ name: "c", image: "main" }],
      ephemeralContainers: [{ name: "e", image: "debug" }],
      volumes: [
        { name: "v", emptyDir: {} },
        { name: "m", image: { reference: "model", pullPolicy: "Always" } },
      ],
    };
    expect(images(workload("Pod", spec))).toEqual([
      { path: "/spec/initContainers/0/image", image: "init" },
      { path: "/spec/containers/0/image", image: "main" },
      { path: "/spec/ephemeralContainers/0/image", image: "debug" },
      { path: "/spec/volumes/1/image/reference", image: "model" },
    ]);
  });

  it("takes an image volume without a reference as one that pulls nothing", () => {
    const volumes = [
      { name: "a", image: {} },
      { name: "b", image: { reference: "" } },
      { name: "c", image: null },
    ];
    expect(images(workload("Deployment", { ...podSpec(image), volumes }))).toHaveLength(1);
  });

  it.each([
    ["no spec", {}],
    ["no template", { spec: {} }],
    ["null for a template", { spec: { template: null } }],
    ["an empty template", { spec: { template: {} } }],
  ])("finds nothing in a ReplicationController with %s", (_what, fields) => {
    const object = { apiVersion: "v1", kind: "ReplicationController", metadata: { name: "a" }, ...fields };
    expect(images(object)).toEqual([]);
  });

  it.each([
    ["containers that are not a list", { containers: { 0: { image } } }],
    ["containers that are text", { containers: image }],
    ["a container that is null", { containers: [null] }],
    ["a container that is a list", { containers: [[image]] }],
    ["an image that is a number", { containers: [{ image: 7 }] }],
    ["an image that is an object", { containers: [{ image: { toString: "x" } }] }],
    ["an empty image", { containers: [{ image: "" }] }],
    ["no image", { containers: [{ name: "c" }] }],
    ["an image name of a megabyte", { containers: [{ image: "a".repeat(1 << 20) }] }],
    ["no container", { containers: [] }],
    ["nothing at all", {}],
    ["init containers that are not a list", { ...podSpec(image), initContainers: "x" }],
    ["volumes that are not a list", { ...podSpec(image), volumes: {} }],
    ["an image volume that is text", { ...podSpec(image), volumes: [{ image }] }],
    ["a volume reference that is a list", { ...podSpec(image), volumes: [{ image: { reference: [image] } }] }],
    ["ten thousand containers", podSpec(...Array.from({ length: 10_000 }, () => image))],
  ])("refuses %s", (_what, spec) => {
    expect(() => images(workload("Pod", spec))).toThrow(expect.objectContaining({ code: "OBJECT_UNSUPPORTED" }));
  });

  it.each([
    ["a spec that is text", { spec: "x" }],
    ["a spec that is a list", { spec: [{ template: {} }] }],
    ["a template that is a list", { spec: { template: [podSpec(image)] } }],
    ["a template that is false", { spec: { template: false } }],
  ])("refuses a Deployment with %s: nobody knows what hides there", (_what, fields) => {
    const object = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a" }, ...fields };
    expect(() => images(object)).toThrow(expect.objectContaining({ code: "OBJECT_UNSUPPORTED" }));
  });

  it.each([null, [], "spec", 1])("refuses a Pod whose spec is %j", (spec) => {
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec };
    expect(() => images(object)).toThrow(expect.objectContaining({ code: "OBJECT_UNSUPPORTED" }));
  });

  it("reads no image through a prototype", () => {
    const spec = JSON.parse('{"containers": [{"name": "c", "__proto__": {"image": "hidden"}}]}');
    expect(() => images(workload("Pod", spec))).toThrow(expect.objectContaining({ code: "OBJECT_UNSUPPORTED" }));
  });

  it("takes two thousand containers", () => {
    const many = Array.from({ length: 2000 }, (_, index) => `app${index}`);
    expect(images(workload("Pod", podSpec(...many)))).toHaveLength(2000);
  });
});
