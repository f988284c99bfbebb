import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObjectContext, Verifier } from "../../src/index.ts";
import { answer, type NamespaceLabels, prepare, unreadable } from "../../webhook/answer.ts";
import { reply } from "../../webhook/review.ts";
import { admissionReview, kinds, podSpec, workload } from "../support/kube.ts";
import { trusted } from "../support/verdicts.ts";

const verifier: Verifier = { verify: async ({ image }) => trusted(image) };
const settings = { digest: "pin", pin: "all", unpinned: "deny" } as const;

async function answerTo(body: Buffer) {
  const prepared = prepare(body);
  const { response } = await answer({ verifier, settings }, "mutate", prepared, 1000);
  return JSON.parse(JSON.stringify(reply(prepared.envelope, response)));
}

/** What an API server takes for an answer. */
const wellFormed = {
  apiVersion: expect.stringMatching(/^admission\.k8s\.io\/v1(beta1)?$/),
  kind: "AdmissionReview",
  response: expect.objectContaining({ uid: expect.any(String), allowed: expect.any(Boolean) }),
};

/** A review with one value, somewhere in it, replaced. */
const damaged = fc
  .record({
    kind: fc.constantFrom(...Object.keys(kinds)),
    value: fc.oneof(fc.jsonValue(), fc.constantFrom("__proto__", [], {}, null, "", 0, "constructor", "x".repeat(5000))),
    at: fc.nat(200),
  })
  .map(({ kind, value, at }) => {
    const volumes = [{ name: "m", image: { reference: "model:1" } }];
    const object = workload(kind, { ...podSpec("app:1", "app:2"), volumes }, { labels: { tier: "web" } });
    const review = admissionReview(object, { operation: "UPDATE", oldObject: object });
    let seen = 0;
    const walk = (node: unknown): unknown => {
      if (seen++ === at) return value;
      if (Array.isArray(node)) return node.map(walk);
      if (typeof node !== "object" || node === null) return node;
      return Object.fromEntries(Object.entries(node).map(([key, member]) => [key, walk(member)]));
    };
    return walk(review);
  });

describe("any body", () => {
  it("gets a well-formed answer: bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect(await answerTo(Buffer.from(bytes))).toMatchObject({
          ...wellFormed,
          response: { uid: "", allowed: false },
        });
      }),
    );
  });

  it("gets a well-formed answer: JSON", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (json) => {
        expect(await answerTo(Buffer.from(json))).toMatchObject({ ...wellFormed, response: { allowed: false } });
      }),
    );
  });

  it("gets a well-formed answer: a review with something wrong in it", async () => {
    await fc.assert(
      fc.asyncProperty(damaged, async (review) => {
        expect(await answerTo(Buffer.from(JSON.stringify(review) ?? ""))).toMatchObject(wellFormed);
      }),
      { numRuns: 500 },
    );
  });

  it("is a refusal with the uid where a bug comes to light, without its words", async () => {
    const prepared = unreadable(new RangeError("secret"));
    const { response, error } = await answer({ verifier, settings }, "validate", prepared, 1000);
    expect(response).toMatchObject({ allowed: false, status: { code: 500 } });
    expect(JSON.stringify(response)).not.toContain("secret");
    expect(error?.code).toBe("INTERNAL");
  });
});

describe("the labels of the namespace", () => {
  const review = Buffer.from(JSON.stringify(admissionReview(workload("Pod", podSpec("app:1")))));

  /** What the verifier is told of the object. */
  async function objectFor(namespaceLabels: NamespaceLabels): Promise<ObjectContext | undefined> {
    let seen: ObjectContext | undefined;
    const noting: Verifier = {
      async verify({ image, object }) {
        seen = object;
        return trusted(image);
      },
    };
    await answer({ verifier: noting, settings, namespaceLabels }, "validate", prepare(review), 1000);
    return seen;
  }

  it("go with the object, where they can be had in less time than all of it takes", async () => {
    const budgets: number[] = [];
    const labels = async (namespace: string, budget: number) => {
      budgets.push(budget);
      return { of: namespace };
    };
    expect(await objectFor(labels)).toMatchObject({ namespace: "prod", namespaceLabels: { of: "prod" } });
    expect(budgets[0]).toBeLessThan(1000);
  });

  it("are left open where nobody knows them", async () => {
    const object = await objectFor(async () => undefined);
    expect(object).toMatchObject({ namespace: "prod" });
    expect(object).not.toHaveProperty("namespaceLabels");
  });
});

describe("prepare", () => {
  it("keeps the question and lets go of the object", () => {
    const object = workload("Pod", podSpec("app:1"), { annotations: { note: "large" }, labels: { tier: "web" } });
    const prepared = prepare(Buffer.from(JSON.stringify(admissionReview(object, { oldObject: object }))));
    expect(JSON.stringify(prepared)).not.toContain("large");
    expect(prepared).toMatchObject({ request: { name: "app" }, scope: { images: [{ image: "app:1" }] } });
  });
});
