import { describe, expect, it } from "vitest";
import type { Verdict, Verifier, VerifyRequest } from "../../src/index.ts";
import { verifyImages } from "../../webhook/verify-images.ts";
import { trusted } from "../support/verdicts.ts";

const object = { apiGroup: "", resource: "pods", namespace: "prod", labels: {} };

function verifierOf(verify: (request: VerifyRequest) => Promise<Verdict>): Verifier {
  return { verify };
}

const never = new Promise<Verdict>(() => {});

describe("verifyImages", () => {
  it("asks once for each distinct name, with the object", async () => {
    const asked: VerifyRequest[] = [];
    const verifier = verifierOf(async (request) => {
      asked.push(request);
      return trusted(request.image);
    });
    const verdicts = await verifyImages({ verifier, images: ["a", "b", "a"], object, budget: 1000 });
    expect([...verdicts.keys()]).toEqual(["a", "b"]);
    expect(asked).toMatchObject([
      { image: "a", object },
      { image: "b", object },
    ]);
  });

  it("asks for all at once, but not for more than sixteen", async () => {
    let running = 0;
    let most = 0;
    const verifier = verifierOf(async ({ image }) => {
      most = Math.max(most, ++running);
      await new Promise((done) => setImmediate(done));
      running--;
      return trusted(image);
    });
    const images = Array.from({ length: 100 }, (_, index) => `app${index}`);
    const verdicts = await verifyImages({ verifier, images, object, budget: 10_000 });
    expect(verdicts.size).toBe(100);
    expect(most).toBe(16);
  });

  it.each([`sha256:${"a".repeat(64)}`, "sha256:abcdef", `sha512:${"0".repeat(128)}`])(
    "denies %s, an image on the node whoever brought it there, without asking",
    async (image) => {
      const verifier = verifierOf(async (request) => trusted(request.image, { digest: undefined, exempt: true }));
      const verdicts = await verifyImages({ verifier, images: [image], object, budget: 1000 });
      expect(verdicts.get(image)).toMatchObject({ outcome: "deny", findings: [{ code: "REFERENCE_INVALID" }] });
    },
  );

  it("denies at the deadline what is not known, and keeps what is", async () => {
    const verifier = verifierOf(async ({ image }) => (image === "slow" ? never : trusted(image)));
    const started = performance.now();
    const verdicts = await verifyImages({ verifier, images: ["slow", "fast"], object, budget: 30 });
    expect(performance.now() - started).toBeLessThan(1000);
    expect(verdicts.get("fast")?.outcome).toBe("allow");
    expect(verdicts.get("slow")).toMatchObject({
      outcome: "deny",
      status: "unavailable",
      findings: [{ code: "DEADLINE_EXCEEDED" }],
    });
  });

  it("lets the verifier say itself at the deadline what it does not know", async () => {
    const verifier = verifierOf(async ({ image, signal }) => {
      await new Promise((done) => signal?.addEventListener("abort", done));
      return { ...trusted(image), outcome: "warn" };
    });
    const verdicts = await verifyImages({ verifier, images: ["a"], object, budget: 10 });
    expect(verdicts.get("a")?.outcome).toBe("warn");
  });

  it("denies at once where the time is already over", async () => {
    const verdicts = await verifyImages({ verifier: verifierOf(() => never), images: ["a"], object, budget: -500 });
    expect(verdicts.get("a")?.outcome).toBe("deny");
  });

  it("denies where the verifier fails, without its words", async () => {
    const verifier = verifierOf(() => Promise.reject(new Error("password=hunter2")));
    const verdicts = await verifyImages({ verifier, images: ["a"], object, budget: 1000 });
    expect(verdicts.get("a")).toMatchObject({ outcome: "deny", findings: [{ code: "INTERNAL" }] });
    expect(JSON.stringify([...verdicts])).not.toContain("hunter2");
  });

  it("races each review with its own deadline though they wait for the same answer", async () => {
    const shared = Promise.withResolvers<Verdict>();
    const verifier = verifierOf(() => shared.promise);
    const early = verifyImages({ verifier, images: ["a"], object, budget: 10 });
    const late = verifyImages({ verifier, images: ["a"], object, budget: 5000 });
    expect((await early).get("a")?.outcome).toBe("deny");
    shared.resolve(trusted("a"));
    expect((await late).get("a")?.outcome).toBe("allow");
  });
});
