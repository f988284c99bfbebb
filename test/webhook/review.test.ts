import { describe, expect, it } from "vitest";
import { envelopeOf, parseReview, reply } from "../../webhook/review.ts";
import { admissionReview, pod } from "../support/kube.ts";

const invalid = expect.objectContaining({ code: "REVIEW_INVALID" });

/** A good review with one member of its request changed, or removed where undefined. */
function changed(field: string, value: unknown): Record<string, unknown> {
  const review = admissionReview(pod("a"));
  return { ...review, request: { ...(review["request"] as object), [field]: value } };
}

describe("parseReview", () => {
  it("reads what the API server sends", () => {
    expect(parseReview(admissionReview(pod("a"), { dryRun: true }))).toMatchObject({
      uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
      operation: "CREATE",
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", resource: "pods" },
      subResource: "",
      namespace: "prod",
      name: "app",
      user: { name: "alice", groups: ["developers", "system:authenticated"] },
      dryRun: true,
      object: { kind: "Pod" },
      oldObject: undefined,
    });
  });

  it("does without what it does not need", () => {
    const request = { uid: "1", operation: "CREATE", kind: { version: "v1", kind: "Pod" }, object: {} };
    const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
    expect(parseReview(review)).toMatchObject({ kind: { group: "" }, resource: undefined, namespace: undefined });
  });

  it.each([null, undefined, [], "x", 1, {}, { request: {} }, [admissionReview(pod("a"))]])("refuses %j", (body) => {
    expect(() => parseReview(body)).toThrow(invalid);
  });

  it.each([
    ["apiVersion", "admission.k8s.io/v1beta1"],
    ["apiVersion", undefined],
    ["kind", "Pod"],
    ["request", undefined],
    ["request", []],
    ["request", "x"],
  ])("refuses a review whose %s is %j", (field, value) => {
    expect(() => parseReview({ ...admissionReview(pod("a")), [field]: value })).toThrow(invalid);
  });

  it.each([
    ["uid", undefined],
    ["uid", ""],
    ["uid", 7],
    ["uid", "x".repeat(1000)],
    ["operation", undefined],
    ["operation", "create"],
    ["operation", ["CREATE"]],
    ["kind", undefined],
    ["kind", "Pod"],
    ["kind", { version: "v1", kind: ["Pod"] }],
    ["resource", "pods"],
    ["resource", { resource: 1 }],
    ["subResource", {}],
    ["namespace", 1],
    ["name", []],
    ["object", "x"],
    ["oldObject", [1]],
  ])("refuses a request whose %s is %j", (field, value) => {
    expect(() => parseReview(changed(field, value))).toThrow(invalid);
  });

  it("takes groups that are not text for none", () => {
    const user = { username: 1, groups: ["a", 2, null] };
    expect(parseReview(changed("userInfo", user)).user).toEqual({ name: "", groups: ["a"] });
    expect(parseReview(changed("userInfo", "x")).user).toEqual({ name: "", groups: [] });
  });
});

describe("envelopeOf", () => {
  it("repeats uid and version, as far as they can be read", () => {
    expect(envelopeOf(changed("uid", "abc"))).toEqual({ apiVersion: "admission.k8s.io/v1", uid: "abc" });
    expect(envelopeOf({ apiVersion: "admission.k8s.io/v1beta1" })).toEqual({
      apiVersion: "admission.k8s.io/v1beta1",
      uid: "",
    });
  });

  it.each([null, 1, "x", [], { request: null }, { request: { uid: {} } }, changed("uid", "x".repeat(999))])(
    "has an empty uid for %j",
    (body) => {
      expect(envelopeOf(body)).toEqual({ apiVersion: "admission.k8s.io/v1", uid: "" });
    },
  );

  it("makes the answer", () => {
    expect(reply({ apiVersion: "admission.k8s.io/v1", uid: "1" }, { allowed: true })).toEqual({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: "1", allowed: true },
    });
  });
});
