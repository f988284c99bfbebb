import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { buildApp } from "../../webhook/app.ts";
import { createMetrics } from "../../webhook/metrics.ts";
import { admissionReview, type KubeObject, pod, type ReviewAnswer, type ReviewOptions } from "../support/kube.ts";

const key = readFileSync(join(import.meta.dirname, "../fixtures/policies/keys/release.pub"), "utf8");
const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

async function post(payload: unknown): Promise<{ answer: ReviewAnswer["response"]; metrics: string }> {
  const quiet = { info() {}, warn() {}, error() {} };
  const verifier = {
    async verify(): Promise<never> {
      throw new Error("no image is asked about");
    },
  };
  const metrics = createMetrics();
  const settings = { digest: "pin", pin: "all", unpinned: "deny" } as const;
  const app = buildApp({ verifier, settings, notReady: () => undefined, metrics, log: quiet });
  opened.push(app);
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const result = await app.inject({
    method: "POST",
    url: "/validate-policy",
    payload: body,
    headers: { "content-type": "application/json" },
  });
  expect(result.statusCode).toBe(200);
  return { answer: result.json<ReviewAnswer>().response, metrics: await metrics.render() };
}

const review = async (object: KubeObject, options: ReviewOptions = {}) =>
  (await post(admissionReview(object, { namespace: "", ...options }))).answer;

const policy = (spec: object = {}, metadata: object = {}, kind = "ClusterTrustPolicy"): KubeObject => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind,
  metadata: { name: "production", ...metadata },
  spec: { images: [{ glob: "registry.example.com/**" }], authorities: [{ name: "a", key: { data: key } }], ...spec },
});

describe("/validate-policy", () => {
  it("accepts what loads, with all that the server adds", async () => {
    const metadata = {
      uid: "1",
      resourceVersion: "2",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      managedFields: [{ manager: "kubectl" }],
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "x".repeat(100_000) },
    };
    const object = { ...policy({}, metadata), status: { conditions: [] } };
    expect(await review(object)).toMatchObject({ allowed: true });
    expect(await review(policy({}, { namespace: "prod" }, "TrustPolicy"))).toMatchObject({ allowed: true });
    const exception = {
      ...policy({}, {}, "TrustException"),
      spec: { images: [{ glob: "a/b" }], expires: "2026-12-01T00:00:00Z", reason: "x" },
    };
    expect(await review(exception)).toMatchObject({ allowed: true });
  });

  it("accepts a name that the server has still to complete", async () => {
    const { name: _, ...metadata } = { name: "", generateName: "production-" };
    const object = { ...policy(), metadata } as unknown as KubeObject;
    expect(await review(object)).toMatchObject({ allowed: true });
  });

  it("refuses what does not load, with every reason", async () => {
    const answer = await review(policy({ tresholds: 1, condition: "image.tag ==", authorities: [] }));
    expect(answer).toMatchObject({ allowed: false, status: { code: 422, reason: "Invalid" } });
    const [first, ...lines] = answer.status?.message.split("\n") ?? [];
    expect(first).toContain("POLICY_INVALID");
    expect(lines.join("\n")).toMatch(/spec\.authorities/);
    expect(lines.join("\n")).toMatch(/spec\.tresholds is not a field/);
    expect(lines.join("\n")).not.toMatch(/:\d+:\d+/);
  });

  it.each([
    ["a condition", { condition: "image.tag == 1 + 'a'" }, /spec\.condition/],
    [
      "a private key",
      { authorities: [{ name: "a", key: { data: "-----BEGIN PRIVATE KEY-----" } }] },
      /spec\.authorities\[0\]/,
    ],
    ["a key of a file", { authorities: [{ name: "a", key: { file: "/etc/passwd" } }] }, /not read from disk/],
    ["a threshold out of reach", { threshold: 2 }, /spec\.threshold/],
  ])("refuses %s, and repeats no key", async (_, spec, words) => {
    const { allowed, status } = await review(policy(spec));
    expect(allowed).toBe(false);
    expect(status?.message).toMatch(words);
    expect(status?.message).not.toContain("MFkw");
  });

  it("bounds its message", async () => {
    const images = Array.from({ length: 500 }, () => ({ glob: "BAD GLOB" }));
    const { status } = await review(policy({ images }));
    expect(status?.message.length).toBeLessThan(8 * 1024);
    expect(status?.message).toContain("and 490 more");
  });

  it("checks an update whose specification changes, and lets one pass that stays", async () => {
    const bad = policy({ authorities: [] });
    expect(await review(bad, { operation: "UPDATE", oldObject: policy() })).toMatchObject({ allowed: false });
    const labelled = { ...bad, metadata: { name: "production", labels: { a: "b" } } };
    expect(await review(labelled, { operation: "UPDATE", oldObject: bad })).toMatchObject({
      allowed: true,
      auditAnnotations: { unchecked: "unchanged" },
    });
  });

  it("checks the policies of policy-controller too, and warns of what it cannot judge by", async () => {
    const images = [{ glob: "registry.example.com/**" }];
    const foreign = (spec: object, kind = "ClusterImagePolicy", version = "v1beta1"): KubeObject => ({
      apiVersion: `policy.sigstore.dev/${version}`,
      kind,
      metadata: { name: "production" },
      spec,
    });
    const good = { images, authorities: [{ key: { data: key } }] };
    const clean = await review(foreign(good));
    expect(clean).toMatchObject({ allowed: true });
    expect(clean).not.toHaveProperty("warnings");
    expect(await review(foreign(good, "ClusterImagePolicy", "v1alpha1"))).toMatchObject({ allowed: true });
    expect(await review(foreign(good, "ClusterImagePolicy", "v1"))).toMatchObject({ allowed: false });
    expect(await review(foreign({ images, authorities: [] }))).toMatchObject({
      allowed: false,
      status: { code: 422, message: expect.stringMatching(/^POLICY_INVALID.*\nspec\.authorities/s) },
    });
    expect(await review(foreign({}, "TrustRoot", "v1alpha1"))).toMatchObject({ allowed: false });
    const ruled = Array.from({ length: 50 }, () => ({ key: { kms: `hashivault://${"k".repeat(500)}` } }));
    const { allowed, warnings = [] } = await review(foreign({ images, authorities: ruled }));
    expect(allowed).toBe(true);
    expect(warnings[0]).toMatch(/^spec\.authorities\[0\] is satisfied by nothing/);
    expect(warnings.at(-1)).toBe("and 42 more");
    for (const warning of warnings) expect(warning).toMatch(/^[\x20-\x7e]{1,256}$/);
  });

  it("lets a policy be deleted, and its status be written", async () => {
    const bad = policy({ authorities: [] });
    expect(await review(bad, { operation: "DELETE" })).toMatchObject({ allowed: true });
    expect(await review(bad, { operation: "UPDATE", subResource: "status" })).toMatchObject({ allowed: true });
  });

  it("refuses what is no policy, or another than it says", async () => {
    expect(await review(pod("app"))).toMatchObject({ allowed: false });
    const review2 = admissionReview(policy(), { object: pod("app") });
    expect((await post(review2)).answer).toMatchObject({ allowed: false, status: { code: 400 } });
  });

  it.each(["", "{", "[]", "{}", '{"request": {"uid": "x"}}'])("answers %j", async (body) => {
    expect((await post(body)).answer).toMatchObject({ allowed: false });
  });

  it("is counted", async () => {
    const { metrics } = await post(admissionReview(policy(), { namespace: "" }));
    expect(metrics).toContain('trust_admission_reviews_total{route="validate-policy",outcome="allow"} 1');
  });
});
