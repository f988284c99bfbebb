import { describe, expect, it } from "vitest";
import { parseReview } from "../../webhook/review.ts";
import { scopeOf } from "../../webhook/scope.ts";
import { admissionReview, type KubeObject, pod, podSpec, type ReviewOptions, workload } from "../support/kube.ts";

function scope(object: KubeObject, options: ReviewOptions = {}) {
  return scopeOf(parseReview(admissionReview(object, options)));
}

function imagesIn(object: KubeObject, options: ReviewOptions = {}) {
  const found = scope(object, options);
  return found.pass === undefined ? found.images.map(({ image }) => image) : found.pass;
}

const unsupported = expect.objectContaining({ code: "OBJECT_UNSUPPORTED" });

describe("scopeOf", () => {
  it("checks what is created", () => {
    expect(imagesIn(pod("a", "b", "a"))).toEqual(["a", "b", "a"]);
  });

  it("hands on what policies match by", () => {
    const found = scope(workload("CronJob", podSpec("a"), { labels: { tier: "web", __proto__x: "y" } }));
    expect(found).toMatchObject({ workload: { group: "batch", resource: "cronjobs" }, labels: { tier: "web" } });
  });

  it.each(["DELETE", "CONNECT"] as const)("lets %s pass, whatever the kind", (operation) => {
    const object = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "a" } };
    expect(imagesIn(object, { operation })).toMatch(/deletion|connection/);
  });

  it.each([
    ["status", workload("Pod", podSpec("a"))],
    ["status", workload("Deployment", podSpec("a"))],
    ["eviction", pod("a")],
    ["binding", pod("a")],
  ])("lets the subresource %s of a known kind pass", (subResource, object) => {
    expect(imagesIn(object, { operation: "UPDATE", subResource })).toBe("no-image");
  });

  it("lets a scale pass, which is of another kind", () => {
    const review = admissionReview(workload("Deployment", podSpec("a")), { operation: "UPDATE", subResource: "scale" });
    const request = review["request"] as Record<string, unknown>;
    request["kind"] = { group: "autoscaling", version: "v1", kind: "Scale" };
    request["object"] = { apiVersion: "autoscaling/v1", kind: "Scale", spec: { replicas: 3 } };
    expect(scopeOf(parseReview(review))).toEqual({ pass: "no-image" });
  });

  it.each([
    ["an unknown kind", { apiVersion: "example.com/v1", kind: "Widget" }, {}],
    ["an unknown kind's status", { apiVersion: "example.com/v1", kind: "Widget" }, { subResource: "status" }],
    ["a known kind of another group", { apiVersion: "example.com/v1", kind: "Deployment" }, {}],
    ["a Deployment without a group", { apiVersion: "v1", kind: "Deployment" }, {}],
    ["a version that may look otherwise", { apiVersion: "apps/v2", kind: "Deployment" }, {}],
    ["a subresource that is not known", { apiVersion: "v1", kind: "Pod" }, { subResource: "teleport" }],
    ["a kind named like a member of every object", { apiVersion: "v1", kind: "constructor" }, {}],
  ])("refuses %s", (_what, type, options) => {
    const object = { ...type, metadata: { name: "a" }, spec: podSpec("a") };
    expect(() => scope(object, options)).toThrow(unsupported);
  });

  it("refuses a request without an object", () => {
    const review = admissionReview(pod("a"));
    (review["request"] as Record<string, unknown>)["object"] = null;
    expect(() => scopeOf(parseReview(review))).toThrow(expect.objectContaining({ code: "REVIEW_INVALID" }));
  });

  describe("on updates", () => {
    const old = workload("Deployment", podSpec("a", "b"), { labels: { tier: "web" } });
    const update = (object: KubeObject, oldObject: KubeObject | null = old) =>
      imagesIn(object, { operation: "UPDATE", oldObject });

    it("lets pass what changes no image", () => {
      expect(update({ ...old, metadata: { ...old.metadata, annotations: { touched: "yes" } } })).toBe("unchanged");
    });

    it.each([
      ["another image", workload("Deployment", podSpec("a", "c"), { labels: { tier: "web" } }), ["a", "c"]],
      ["one image more", workload("Deployment", podSpec("a", "b", "a"), { labels: { tier: "web" } }), ["a", "b", "a"]],
      ["one image less", workload("Deployment", podSpec("a"), { labels: { tier: "web" } }), ["a"]],
      ["images in another order", workload("Deployment", podSpec("b", "a"), { labels: { tier: "web" } }), ["b", "a"]],
      ["another label", workload("Deployment", podSpec("a", "b"), { labels: { tier: "db" } }), ["a", "b"]],
      ["no label", workload("Deployment", podSpec("a", "b")), ["a", "b"]],
      ["one label more", workload("Deployment", podSpec("a", "b"), { labels: { tier: "web", x: "" } }), ["a", "b"]],
      [
        "another namespace",
        workload("Deployment", podSpec("a", "b"), { labels: { tier: "web" }, namespace: "dev" }),
        ["a", "b"],
      ],
    ])("checks all images when there is %s", (_what, object, expected) => {
      expect(update(object)).toEqual(expected);
    });

    it("checks all images when the old object is missing or cannot be read", () => {
      expect(update(old, null)).toEqual(["a", "b"]);
      expect(update(old, { ...old, spec: { template: { spec: "?" } } })).toEqual(["a", "b"]);
    });

    it("takes no owner for a reason to check less", () => {
      const owned = {
        labels: { tier: "web" },
        ownerReferences: [{ kind: "ReplicaSet", name: "rs", controller: true }],
      };
      expect(update(workload("Deployment", podSpec("a", "c"), owned))).toEqual(["a", "c"]);
      expect(imagesIn(workload("Pod", podSpec("a"), owned))).toEqual(["a"]);
    });
  });

  describe("on ephemeral containers", () => {
    const old = pod("a");
    const withDebuggers = (...images: string[]) =>
      workload("Pod", { ...podSpec("a"), ephemeralContainers: images.map((image, i) => ({ name: `d${i}`, image })) });
    const options = { operation: "UPDATE", subResource: "ephemeralcontainers" } as const;

    it("checks the new one", () => {
      expect(imagesIn(withDebuggers("debug"), { ...options, oldObject: old })).toEqual(["debug"]);
      expect(imagesIn(withDebuggers("debug", "more"), { ...options, oldObject: withDebuggers("debug") })).toEqual([
        "more",
      ]);
    });

    it("checks it under whatever labels the Pod has", () => {
      const labelled = { ...withDebuggers("debug"), metadata: { name: "app", labels: { tier: "web" } } };
      expect(scope(labelled, { ...options, oldObject: old })).toMatchObject({ labels: { tier: "web" } });
    });

    it("checks all where the old object is missing", () => {
      expect(imagesIn(withDebuggers("debug"), options)).toEqual(["debug"]);
    });
  });

  describe("on mirror Pods", () => {
    const mirror = workload("Pod", podSpec("a"), { annotations: { "kubernetes.io/config.mirror": "hash" } });
    const node = { username: "system:node:worker-1", groups: ["system:nodes", "system:authenticated"] };

    it("lets pass what a node creates", () => {
      expect(imagesIn(mirror, { user: node })).toBe("mirror-pod");
    });

    it.each([
      ["anybody else", mirror, { username: "alice", groups: ["developers"] }],
      ["somebody named like a node", mirror, { username: "system:node:worker-1", groups: ["developers"] }],
      ["somebody in the group of nodes", mirror, { username: "alice", groups: ["system:nodes"] }],
      ["a node, without the annotation", pod("a"), node],
    ])("checks what comes from %s", (_who, object, user) => {
      expect(imagesIn(object, { user })).toEqual(["a"]);
    });

    it("checks other kinds with that annotation", () => {
      const object = workload("Deployment", podSpec("a"), mirror.metadata);
      expect(imagesIn(object, { user: node })).toEqual(["a"]);
    });

    it("checks an update by the node", () => {
      expect(imagesIn(mirror, { user: node, operation: "UPDATE", oldObject: pod("b") })).toEqual(["a"]);
    });
  });
});
