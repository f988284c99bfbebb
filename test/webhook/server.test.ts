import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import type { Log } from "../../webhook/log.ts";
import { codeOfRejection } from "../support/errors.ts";
import { admissionReview, patchOf, pod, podSpec, workload } from "../support/kube.ts";
import { run } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";
import { policyText, type StageOptions, startWebhookStage, type WebhookStage } from "../support/webhook-stage.ts";

const key = newPrivateKey();
const stages: WebhookStage[] = [];
afterEach(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.close()));
});

async function start(options: Partial<StageOptions> = {}): Promise<WebhookStage> {
  const stage = await startWebhookStage({ key, ...options });
  stages.push(stage);
  return stage;
}

async function requestsOf(stage: WebhookStage): Promise<number> {
  const { body } = await stage.get("/metrics");
  return [...body.matchAll(/^trust_registry_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await condition()); i++) {
    if (i > 200) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 25));
  }
}

describe("an object on its way in", () => {
  it("is pinned to what was signed, then admitted", async () => {
    const stage = await start();
    const { image, digest } = await stage.image("prod/app:1");
    const mutated = await stage.post("/mutate?timeout=10s", admissionReview(workload("Deployment", podSpec(image))));
    expect(mutated.response.allowed).toBe(true);
    expect(patchOf(mutated)).toMatchObject([
      { path: "/spec/template/spec/containers/0/image", value: `${image}@${digest}` },
    ]);
    const pinned = admissionReview(workload("Deployment", podSpec(`${image}@${digest}`)));
    expect((await stage.post("/validate?timeout=10s", pinned)).response).toMatchObject({ allowed: true });
  });

  it("is refused with the reason when a stranger or nobody signed", async () => {
    const stage = await start();
    const { image } = await stage.image("prod/stranger:1", newPrivateKey());
    const { response } = await stage.post("/validate", admissionReview(pod(image, `${stage.host}/prod/missing:1`)));
    expect(response).toMatchObject({ allowed: false, status: { code: 403 } });
    expect(response.status?.message).toContain(`${image}: SIGNER_NOT_TRUSTED: policy production: `);
    expect(response.status?.message).toContain(`${stage.host}/prod/missing:1: IMAGE_NOT_FOUND: `);
  });

  it("leaves no request to a registry that no policy names", async () => {
    const stage = await start();
    const { response } = await stage.post("/validate", admissionReview(pod(`${stage.host}/dev/app:1`)));
    expect(response.status?.message).toContain("NO_POLICY");
    expect(await requestsOf(stage)).toBe(0);
  });

  it("is decided from what was proved before, without asking the registry again", async () => {
    const stage = await start();
    const { image } = await stage.image("prod/app:1");
    const review = admissionReview(pod(...Array.from({ length: 10 }, () => image)));
    await stage.post("/mutate", review);
    const cold = await requestsOf(stage);
    expect(cold).toBeGreaterThan(0);
    expect(cold).toBeLessThan(8);
    await Promise.all(Array.from({ length: 50 }, () => stage.post("/mutate", review)));
    expect(await requestsOf(stage)).toBe(cold);
  });

  it("costs as many requests as one when fifty of it arrive at once", async () => {
    const stage = await start();
    const { image } = await stage.image("prod/app:1");
    const other = await stage.image("prod/other:1");
    await stage.post("/mutate", admissionReview(pod(other.image)));
    const one = await requestsOf(stage);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => stage.post("/mutate", admissionReview(pod(image)))),
    );
    expect(answers.every(({ response }) => response.allowed)).toBe(true);
    expect(await requestsOf(stage)).toBe(2 * one);
  });

  it("is admitted during an outage if its proofs are known, and refused as unverified if not", async () => {
    const stage = await start({ settings: { evidenceTtl: 0, staleEvidence: 3_600_000 } });
    const { image, digest } = await stage.image("prod/app:1");
    const known = admissionReview(pod(`${image}@${digest}`));
    expect((await stage.post("/validate", known)).response.allowed).toBe(true);
    await stage.stopRegistry();
    expect((await stage.post("/validate", known)).response.allowed).toBe(true);
    const unknown = `${stage.host}/prod/other@${digest}`;
    const { response } = await stage.post("/validate", admissionReview(pod(unknown)));
    expect(response.allowed).toBe(false);
    expect(response.status?.message).toMatch(/: REGISTRY_UNREACHABLE: .*says nothing against the image/);
  });

  it("never makes the webhook ask its own node, unless that was allowed", async () => {
    const stage = await start({ settings: { allowRegistry: [] } });
    const { image } = await stage.image("prod/app:1");
    const { response } = await stage.post("/validate", admissionReview(pod(image)));
    expect(response).toMatchObject({ allowed: false });
    expect(response.status?.message).toContain("REGISTRY_NOT_ALLOWED");
    expect(await requestsOf(stage)).toBe(0);
  });

  it("may be large", async () => {
    const stage = await start();
    const { image, digest } = await stage.image("prod/app:1");
    const big = (size: number) =>
      admissionReview(workload("Pod", podSpec(`${image}@${digest}`), { annotations: { note: "x".repeat(size) } }));
    expect((await stage.post("/validate", big(3 << 20))).response.allowed).toBe(true);
    expect((await stage.post("/validate", big(17 << 20))).response).toMatchObject({ uid: "", allowed: false });
  });
});

describe("policies", () => {
  it("take effect when their file changes, and the last good ones stay when it is broken", async () => {
    const messages: string[] = [];
    const note = (_fields: object, message: string) => void messages.push(message);
    const log: Log = { info: note, warn: note, error: note };
    const stage = await start({ log });
    const other = newPrivateKey();
    const { image } = await stage.image("prod/app:1", other);
    const allowed = async () => (await stage.post("/mutate", admissionReview(pod(image)))).response.allowed;
    expect(await allowed()).toBe(false);
    writeFileSync(stage.policyFile, policyText(stage.host, other));
    await until(allowed);
    appendFileSync(stage.policyFile, "}{");
    await until(() => messages.some((message) => message.includes("do not load")));
    expect(await allowed()).toBe(true);
    expect((await stage.get("/metrics")).body).toContain("trust_policy_load_failures_total 1");
  });

  it("that do not load end the start", async () => {
    const stage = await start();
    writeFileSync(stage.policyFile, "kind: Nonsense");
    const options = { certDir: join(stage.folder, "certs"), cwd: stage.folder, policyPaths: ["policies"] };
    const again = startWebhookStage({ key, webhook: options });
    expect(await codeOfRejection(again)).toBe("POLICY_INVALID");
  });
});

describe("the connection", () => {
  it("is verified by openssl against the CA that was made, under every name", async () => {
    const stage = await start();
    const { hostname, port } = new URL(stage.webhook.url);
    const caFile = join(stage.folder, "certs", "ca.crt");
    for (const name of ["localhost", "trust-webhook"]) {
      const args = [
        "-connect",
        `${hostname}:${port}`,
        "-CAfile",
        caFile,
        "-verify_return_error",
        "-verify_hostname",
        name,
      ];
      const { code, stdout } = await run("openssl", ["s_client", ...args, "-brief"], { input: "" });
      expect({ code, stdout }).toMatchObject({ code: 0 });
    }
  });

  it("is kept alive between reviews", async () => {
    const stage = await start();
    const { port } = new URL(stage.webhook.url);
    const socket = connect({ port: Number(port), host: "127.0.0.1", servername: "localhost", ca: stage.ca });
    const body = JSON.stringify(admissionReview(pod("dev/app:1")));
    for (let i = 0; i < 5; i++) {
      const answer = new Promise<Buffer>((done) => socket.once("data", done));
      socket.write(`POST /validate HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      const text = (await answer).toString();
      expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*"allowed":false/);
      expect(text).not.toMatch(/connection: close/i);
    }
    socket.destroy();
  });

  it("speaks no TLS before 1.2", async () => {
    const stage = await start();
    const { hostname, port } = new URL(stage.webhook.url);
    const args = ["s_client", "-connect", `${hostname}:${port}`, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    expect((await run("openssl", args, { input: "" })).code).not.toBe(0);
  });
});

describe("the start", () => {
  it("fails with the reason where the port is taken", async () => {
    const stage = await start();
    const { host } = new URL(stage.webhook.url);
    expect(await codeOfRejection(startWebhookStage({ key, webhook: { listen: host } }))).toBe("CONFIG_INVALID");
  });

  it("fails without a certificate", async () => {
    const failing = startWebhookStage({ key, webhook: { certDir: undefined } });
    expect(await codeOfRejection(failing)).toBe("CONFIG_INVALID");
  });
});

describe("the end", () => {
  it("answers what it has begun, takes no more, and says so first", async () => {
    const stage = await start();
    const { image } = await stage.image("prod/app:1");
    expect((await stage.get("/readyz")).status).toBe(200);
    const answer = stage.post("/mutate", admissionReview(pod(image)));
    const closing = stage.webhook.close({ delay: 50 });
    expect(await stage.get("/readyz")).toMatchObject({ status: 503, body: "shutting down\n" });
    expect((await answer).response.allowed).toBe(true);
    await closing;
    await expect(stage.get("/healthz")).rejects.toThrow();
  });

  it("is bounded: a client that never finishes is cut off", async () => {
    const stage = await start();
    const { port } = new URL(stage.webhook.url);
    const socket: TLSSocket = connect({ port: Number(port), host: "127.0.0.1", servername: "localhost", ca: stage.ca });
    await new Promise((done) => socket.once("secureConnect", done));
    socket.on("error", () => undefined);
    socket.write("POST /validate HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{");
    const closed = new Promise((done) => socket.once("close", done));
    await new Promise((done) => setTimeout(done, 50));
    const started = performance.now();
    await stage.webhook.close({ timeout: 200 });
    await closed;
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
