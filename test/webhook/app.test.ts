import { type IncomingMessage, request } from "node:http";
import { performance } from "node:perf_hooks";
import type { InjectOptions } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import type { Verdict, Verifier, VerifyRequest } from "../../src/index.ts";
import { type AppDeps, buildApp } from "../../webhook/app.ts";
import { createMetrics } from "../../webhook/metrics.ts";
import { admissionReview, patchOf, pod, podSpec, type ReviewAnswer, workload } from "../support/kube.ts";
import { digest, trusted, unreachable, untrusted } from "../support/verdicts.ts";

const routes = ["/validate", "/mutate"] as const;
const uid = "705ab4f5-6393-11e8-b7cc-42010a800002";

/** Trusts every name, but for those that say what is the matter with them. */
const verifier: Verifier = {
  async verify({ image, signal }: VerifyRequest): Promise<Verdict> {
    if (image.includes("bug")) throw new TypeError("secret detail");
    if (image.includes("slow")) await new Promise((done) => signal?.addEventListener("abort", done));
    if (image.includes("unreachable") || image.includes("slow")) return unreachable(image);
    return image.includes("stranger") ? untrusted(image) : trusted(image);
  },
};

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
}

function start(deps: Partial<AppDeps> = {}) {
  const lines: LogLine[] = [];
  const to = (level: string) => (fields: object) => void lines.push({ level, fields: { ...fields } });
  const app = buildApp({
    verifier,
    settings: { digest: "pin", pin: "all", unpinned: "deny" },
    notReady: () => undefined,
    metrics: createMetrics(),
    log: { info: to("info"), warn: to("warn"), error: to("error") },
    ...deps,
  });
  opened.push(app);
  return { app, lines };
}

async function post(payload: unknown, options: InjectOptions = {}, deps: Partial<AppDeps> = {}) {
  const { app, lines } = start(deps);
  const body = typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
  const headers = { "content-type": "application/json", ...options.headers };
  const result = await app.inject({ method: "POST", url: "/validate", payload: body, ...options, headers });
  expect(result.statusCode).toBe(200);
  expect(result.headers["content-type"]).toMatch(/^application\/json\b/);
  const answer = result.json<ReviewAnswer>();
  expect(answer).toMatchObject({ kind: "AdmissionReview", response: { allowed: expect.any(Boolean) } });
  return { answer, lines };
}

describe("a review", () => {
  it.each(routes)("is answered on %s with its uid", async (url) => {
    const { answer } = await post(admissionReview(pod(`app@${digest}`), { uid: "abc" }), { url });
    expect(answer).toMatchObject({ apiVersion: "admission.k8s.io/v1", response: { uid: "abc", allowed: true } });
  });

  it("is refused with the reason for each image, and asks each name once", async () => {
    const { answer } = await post(
      admissionReview(pod(`a@${digest}`, "stranger/b:1", "unreachable/c:1", "stranger/b:1")),
    );
    expect(answer.response).toMatchObject({ allowed: false, status: { code: 403 } });
    const lines = answer.response.status?.message.split("\n") ?? [];
    expect(lines.map((line) => line.split(": ").slice(0, 2))).toEqual([
      ["stranger/b:1", "SIGNER_NOT_TRUSTED"],
      ["unreachable/c:1", "REGISTRY_UNREACHABLE"],
    ]);
  });

  it("is answered on /mutate with a patch that pins what was verified", async () => {
    const object = workload("CronJob", { ...podSpec("app:1"), initContainers: [{ name: "i", image: "app:1" }] });
    const { answer } = await post(admissionReview(object), { url: "/mutate" });
    const base = "/spec/jobTemplate/spec/template/spec";
    expect(patchOf(answer)).toEqual([
      { op: "replace", path: `${base}/initContainers/0/image`, value: `app:1@${digest}` },
      { op: "replace", path: `${base}/containers/0/image`, value: `app:1@${digest}` },
    ]);
  });

  it("is answered the same under dryRun", async () => {
    const review = admissionReview(pod("app:1"), { dryRun: true });
    expect(patchOf((await post(review, { url: "/mutate" })).answer)).toHaveLength(1);
  });

  it("hands the object to the policies", async () => {
    const asked: VerifyRequest[] = [];
    const recording: Verifier = {
      async verify(request) {
        asked.push(request);
        return trusted(request.image);
      },
    };
    const object = workload("Deployment", podSpec("app:1"), { labels: { tier: "web" } });
    await post(admissionReview(object, { namespace: "prod" }), {}, { verifier: recording });
    expect(asked).toMatchObject([
      { object: { apiGroup: "apps", resource: "deployments", namespace: "prod", labels: { tier: "web" } } },
    ]);
  });

  it("is denied at its deadline", async () => {
    const started = performance.now();
    const { answer } = await post(admissionReview(pod("slow:1")), { url: "/validate?timeout=200ms" });
    expect(performance.now() - started).toBeLessThan(1000);
    expect(answer.response.allowed).toBe(false);
  });

  it("counts the time that its body took to arrive", async () => {
    const { app, lines } = start();
    const server = await app.listen({ port: 0, host: "127.0.0.1" });
    const body = JSON.stringify(admissionReview(pod("slow:1")));
    const outgoing = request(`${server}/validate?timeout=400ms`, {
      method: "POST",
      headers: { "content-length": body.length },
    });
    const answered = new Promise<IncomingMessage>((done) => outgoing.once("response", done));
    outgoing.write(body.slice(0, 100));
    await new Promise((done) => setTimeout(done, 150));
    const rest = performance.now();
    outgoing.end(body.slice(100));
    (await answered).resume();
    expect(performance.now() - rest).toBeLessThan(250);
    expect(lines[0]?.fields["durationMs"]).toBeGreaterThan(140);
  });

  it("is denied where the verifier has a bug, which is told to the log only", async () => {
    const { answer } = await post(admissionReview(pod("bug:1")));
    expect(answer.response).toMatchObject({ uid, allowed: false });
    expect(JSON.stringify(answer)).not.toContain("secret detail");
  });

  it("lets deletions pass", async () => {
    const { answer } = await post(admissionReview(pod("stranger:1"), { operation: "DELETE" }));
    expect(answer.response).toMatchObject({ allowed: true, auditAnnotations: { unchecked: "deletion" } });
  });

  it("lets the mirror Pods of a node pass, with a flag", async () => {
    const object = workload("Pod", podSpec("stranger:1"), { annotations: { "kubernetes.io/config.mirror": "x" } });
    const user = { username: "system:node:a", groups: ["system:nodes"] };
    const { answer } = await post(admissionReview(object, { user }));
    expect(answer.response).toMatchObject({ allowed: true, warnings: [expect.any(String)] });
  });

  it.each([
    ["an unknown kind", { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "a" } }],
    ["containers that are not a list", workload("Pod", { containers: "x" })],
    ["ten thousand containers", pod(...Array.from({ length: 10_000 }, (_, i) => `app${i}`))],
  ])("is refused for %s, with the reason", async (_what, object) => {
    const { answer } = await post(admissionReview(object));
    expect(answer.response).toMatchObject({ uid, allowed: false, status: { code: 403 } });
    expect(answer.response.status?.message).toMatch(/^OBJECT_UNSUPPORTED: /);
  });
});

describe("hostile input", () => {
  const good = admissionReview(pod(`app@${digest}`));
  const inner = good["request"] as Record<string, unknown>;

  it.each(routes)("is answered on %s with a denial, well-formed, under an empty uid", async (url) => {
    const bodies = [
      ...["", " ", "{", "null", "[]", "0", '"text"', "{}", "\u0000", "<html>", "{}{}", '{"request": 1}'],
      ...["[".repeat(100_000), "[".repeat(2 << 20), '{"a":'.repeat(1 << 20), `"${"x".repeat(3 << 20)}`],
    ];
    for (const body of bodies) {
      const { answer } = await post(body, { url });
      expect(answer).toMatchObject({
        apiVersion: "admission.k8s.io/v1",
        response: { uid: "", allowed: false, status: { code: 400 } },
      });
    }
  });

  it("is answered with its uid as far as it can be read", async () => {
    const cases: [unknown, string][] = [
      [{ ...good, request: { ...inner, operation: "EAT" } }, uid],
      [{ ...good, request: { ...inner, object: null } }, uid],
      [{ ...good, request: { ...inner, object: "Pod" } }, uid],
      [{ ...good, kind: "Pod" }, uid],
      [{ ...good, request: { ...inner, uid: undefined } }, ""],
      [{ ...good, request: { ...inner, uid: { toString: "x" } } }, ""],
      [{ ...good, request: { ...inner, uid: 7 } }, ""],
      [{ ...good, request: undefined }, ""],
    ];
    for (const [body, expected] of cases) {
      const { answer } = await post(body);
      expect(answer.response).toMatchObject({ uid: expected, allowed: false, status: { code: 400 } });
    }
  });

  it("is answered in the version it was asked in", async () => {
    const { answer } = await post({ ...good, apiVersion: "admission.k8s.io/v1beta1" });
    expect(answer).toMatchObject({ apiVersion: "admission.k8s.io/v1beta1", response: { uid, allowed: false } });
  });

  it.each([
    "application/json; charset=utf-8",
    "text/plain",
    "application/yaml",
    "x",
    "",
    "multipart/form-data",
    "a/b/c",
  ])("is answered under the content type %j", async (type) => {
    const { answer } = await post(good, { headers: { "content-type": type } });
    expect(typeof answer.response.allowed).toBe("boolean");
  });

  it("reads an object of three megabytes, and refuses a body of seventeen", async () => {
    const object = workload("Pod", podSpec(`app@${digest}`), { annotations: { note: "x".repeat(3 << 20) } });
    expect((await post(admissionReview(object))).answer.response).toMatchObject({ uid, allowed: true });
    const huge = workload("Pod", podSpec(`app@${digest}`), { annotations: { note: "x".repeat(17 << 20) } });
    expect((await post(admissionReview(huge))).answer.response).toMatchObject({ uid: "", allowed: false });
  });

  it("reads objects with keys that parsers trip over, and believes nothing from them", async () => {
    const traps =
      '"__proto__": {"allowed": true, "image": "x", "spec": {}}, "constructor": {"prototype": {"uid": "x"}}';
    const text = JSON.stringify(good).replace('"metadata":{', `"metadata":{${traps},"annotations":{${traps}},`);
    expect((await post(text)).answer.response).toMatchObject({ uid, allowed: true });
    const noContainers = JSON.stringify(good).replace('"spec":{', `"__proto__":{"spec":{"containers":[]}},"spec":{`);
    expect((await post(noContainers)).answer.response).toMatchObject({ uid, allowed: true });
    const onlyTraps = `{${traps}, "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "__proto__": ${JSON.stringify(good)}}`;
    expect((await post(onlyTraps)).answer.response).toMatchObject({ uid: "", allowed: false });
    expect(({} as { allowed?: unknown }).allowed).toBeUndefined();
  });

  it("takes two thousand containers", async () => {
    const images = Array.from({ length: 2000 }, (_, index) => `app${index}:1`);
    const { answer } = await post(admissionReview(pod(...images)), { url: "/mutate" });
    expect(patchOf(answer)).toHaveLength(2000);
    const denied = await post(admissionReview(pod(...images.map((image) => `stranger/${image}`))));
    expect(denied.answer.response.allowed).toBe(false);
    expect(JSON.stringify(denied.answer).length).toBeLessThan(50_000);
  });

  it("quotes names of strangers without their control characters", async () => {
    const nasty = "stranger/\u001b[2J\r\n\u202eimage:\u2028日本";
    const { answer, lines } = await post(admissionReview(pod(nasty)));
    expect(answer.response.status?.message).toMatch(/^stranger\/ \[2J image: 日本: SIGNER_NOT_TRUSTED/);
    expect(lines).toHaveLength(1);
  });
});

describe("the other endpoints", () => {
  it("are healthy from the start, and ready when there are policies", async () => {
    let reason: string | undefined = "no policies are loaded yet";
    const { app } = start({ notReady: () => reason });
    expect((await app.inject("/healthz")).statusCode).toBe(200);
    expect(await app.inject("/readyz")).toMatchObject({ statusCode: 503, body: "no policies are loaded yet\n" });
    reason = undefined;
    expect((await app.inject("/readyz")).statusCode).toBe(200);
  });

  it("count reviews and images without their names", async () => {
    const { app } = start();
    for (const image of ["stranger:1", "unreachable:1", `app@${digest}`])
      await app.inject({ method: "POST", url: "/validate", payload: JSON.stringify(admissionReview(pod(image))) });
    const { body, headers } = await app.inject("/metrics");
    expect(headers["content-type"]).toContain("text/plain");
    expect(body).toContain('trust_admission_reviews_total{route="validate",outcome="deny"} 2');
    expect(body).toContain('trust_admission_reviews_total{route="validate",outcome="allow"} 1');
    expect(body).toContain('trust_admission_denied_images_total{category="unavailable"} 1');
    expect(body).toContain('trust_admission_denied_images_total{category="untrusted"} 1');
    expect(body).not.toContain("stranger");
  });

  it("are all there is", async () => {
    const { app } = start();
    for (const [method, url] of [
      ["GET", "/validate"],
      ["POST", "/"],
      ["POST", "/validate/x"],
      ["PUT", "/mutate"],
    ] as const)
      expect((await app.inject({ method, url, payload: "{}" })).statusCode).toBe(404);
  });
});

describe("the log", () => {
  it("has one line for a review, with each image's verdict", async () => {
    const { lines } = await post(admissionReview(pod("stranger:1", `app@${digest}`)));
    expect(lines).toEqual([
      {
        level: "warn",
        fields: expect.objectContaining({
          uid,
          route: "validate",
          outcome: "deny",
          operation: "CREATE",
          kind: "Pod",
          namespace: "prod",
          name: "app",
          user: "alice",
          images: [
            expect.objectContaining({ image: "stranger:1", findings: [["production", "SIGNER_NOT_TRUSTED"]] }),
            expect.objectContaining({ outcome: "allow", digest }),
          ],
        }),
      },
    ]);
  });

  it("says why a review was refused", async () => {
    const { lines } = await post("{");
    expect(lines).toMatchObject([{ level: "warn", fields: { outcome: "refused", code: "REVIEW_INVALID", uid: "" } }]);
  });
});
