import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admissionReview, patchOf, pod } from "../support/kube.ts";
import { newPrivateKey } from "../support/signers.ts";
import { startWebhookStage, type WebhookStage } from "../support/webhook-stage.ts";

let stage: WebhookStage;
let excepted: { readonly image: string; readonly digest: string };
let other: { readonly image: string; readonly digest: string };

beforeAll(async () => {
  const key = newPrivateKey();
  stage = await startWebhookStage({ key });
  const strange = newPrivateKey();
  excepted = await stage.image("prod/excepted:1", strange);
  other = await stage.image("prod/other:1", strange);
  const exception = {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "TrustException",
    metadata: { name: "incident" },
    spec: {
      images: [{ digest: excepted.digest }],
      namespaces: ["prod"],
      expires: new Date(Date.now() + 3_600_000).toISOString(),
      reason: "incident 4711",
    },
  };
  writeFileSync(join(stage.folder, "policies", "exception.json"), JSON.stringify(exception));
});
afterAll(() => stage.close());

/** The exception takes effect when its file has been seen. */
async function inForce(): Promise<void> {
  await expect
    .poll(async () => (await stage.post("/mutate", admissionReview(pod(excepted.image)))).response.allowed, {
      timeout: 10_000,
    })
    .toBe(true);
}

describe("an exception in admission", () => {
  it("admits its image, pinned to the digest it is for, and shows in the audit log", async () => {
    await inForce();
    const answer = await stage.post("/mutate", admissionReview(pod(excepted.image)));
    expect(patchOf(answer)).toMatchObject([{ value: `${excepted.image}@${excepted.digest}` }]);
    expect(answer.response.auditAnnotations?.["verdicts"]).toContain("incident 4711");
    expect((await stage.post("/validate", admissionReview(pod(excepted.image)))).response.allowed).toBe(false);
    const pinned = pod(`${excepted.image}@${excepted.digest}`);
    expect((await stage.post("/validate", admissionReview(pinned))).response.allowed).toBe(true);
  });

  it("never admits another image of the same Pod", async () => {
    await inForce();
    const { response } = await stage.post("/mutate", admissionReview(pod(excepted.image, other.image)));
    expect(response.allowed).toBe(false);
    expect(response.status?.message).toContain(other.image);
    expect(response.status?.message).not.toContain(excepted.image);
  });

  it("is for its namespace only", async () => {
    await inForce();
    const elsewhere = { ...pod(excepted.image), metadata: { name: "app", namespace: "dev" } };
    const review = admissionReview(elsewhere, { namespace: "dev" });
    expect((await stage.post("/mutate", review)).response.allowed).toBe(false);
  });
});
