import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { formats } from "../../src/formats/index.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { type BindingRequest, bindingAnnotations, bindingOf } from "../../src/policy/binding.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { createMarks, markKey, markOf } from "../../src/policy/marks.ts";
import type { Freshness, TrustPolicy } from "../../src/policy/policy.ts";
import { newSigner, trusting } from "../support/signers.ts";

const subject = digestOf(Buffer.from("image"));
const [alice, bob] = [newSigner(), newSigner()];
const day = 24 * 3600_000;
const born = Date.UTC(2026, 0, 1);
const image = parseReference("registry.example.com/app:1");

/** A real proof whose annotations were made `at` that time. */
async function proofOf(request: BindingRequest, { at = born, signer = alice, format = formats[0], more = {} } = {}) {
  const annotations = { ...bindingAnnotations(request, at), ...more };
  const made = await format?.sign({
    image,
    subject: { mediaType: "x", digest: subject, size: 1 },
    signer,
    annotations,
    now: at,
  });
  const proof = made && (await format?.verify(made.bundle, subject, trusting(signer)));
  if (proof?.kind !== "signature") throw new Error("an image signature was made");
  return proof;
}

function policyOf(freshness: Partial<Freshness> | undefined, threshold = 1): TrustPolicy {
  return {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [
      { kind: "key", name: "alice", keys: [alice.publicKey] },
      { kind: "key", name: "bob", keys: [bob.publicKey] },
    ],
    threshold,
    ...(freshness && { freshness: { tagBinding: "optional", digestOnly: "deny", grace: 0, ...freshness } }),
    source: "test",
  };
}

interface Asked {
  readonly freshness?: Partial<Freshness> | undefined;
  readonly name?: string;
  readonly now?: number;
  readonly mark?: number;
}

/** "passed", or the code of the first reason why not. */
function outcome(proof: Awaited<ReturnType<typeof proofOf>>, { freshness, name = "app:1", now = born, mark }: Asked) {
  const ref = parseReference(`registry.example.com/${name}`);
  const facts = { subject, proofs: [proof], findings: [], ref, now, markOf: () => mark };
  const { passed, findings } = evaluatePolicy(policyOf(freshness), false, facts);
  return passed ? "passed" : findings[0]?.code;
}

const digestOnly = `app@${subject}`;
const pinned = `app:1@${subject}`;

describe("an expiry", () => {
  it.each(formats.map((format) => [format.name, format] as const))(
    "counts under every policy (%s)",
    async (_, format) => {
      const proof = await proofOf({ expiresIn: day }, { format });
      for (const freshness of [undefined, {}]) {
        expect(outcome(proof, { freshness, now: born + day })).toBe("passed");
        expect(outcome(proof, { freshness, now: born + day + 1 })).toBe("SIGNATURE_EXPIRED");
      }
    },
  );
  it("that cannot be read has passed", async () => {
    const more = { "dev.imagetrust.expires": "next year" };
    expect(outcome(await proofOf({}, { more }), {})).toBe("SIGNATURE_EXPIRED");
  });
  it("has grace for what names the digest, and for nothing else", async () => {
    const proof = await proofOf({ expiresIn: day, bindTo: image });
    const freshness = { grace: day } as const;
    expect(outcome(proof, { freshness, name: pinned, now: born + 2 * day })).toBe("passed");
    expect(outcome(proof, { freshness, name: pinned, now: born + 2 * day + 1 })).toBe("SIGNATURE_EXPIRED");
    expect(outcome(proof, { freshness, now: born + day + 1 })).toBe("SIGNATURE_EXPIRED");
  });
  it.each([0, 10, Number.NaN, 1e15])("of %s ms is not signed", (expiresIn) => {
    expect(() => bindingAnnotations({ expiresIn }, born)).toThrow(TrustError);
  });
});

describe("age", () => {
  const freshness = { maxAge: 10 * day } as const;
  it("is counted from the signed creation", async () => {
    const proof = await proofOf({ bindTo: image });
    expect(outcome(proof, { freshness, now: born + 10 * day })).toBe("passed");
    expect(outcome(proof, { freshness, now: born + 10 * day + 1 })).toBe("SIGNATURE_TOO_OLD");
    expect(outcome(proof, { now: born + 999 * day })).toBe("passed");
  });
  it("fails where no creation is signed, or none that can be read", async () => {
    expect(outcome(await proofOf({}), { freshness })).toBe("SIGNATURE_TOO_OLD");
    const more = { "dev.imagetrust.created": "today" };
    expect(outcome(await proofOf({}, { more }), { freshness })).toBe("SIGNATURE_NOT_YET_VALID");
  });
  it("cannot be signed away: a creation in the future does not count, but a clock may be minutes off", async () => {
    const proof = await proofOf({ bindTo: image }, { at: born + day });
    expect(outcome(proof, { freshness })).toBe("SIGNATURE_NOT_YET_VALID");
    expect(outcome(proof, { freshness, now: born + day - 4 * 60_000 })).toBe("passed");
  });
  it("is not less than a verified time says", async () => {
    const proof = await proofOf({ bindTo: image }, { at: born + day });
    expect(bindingOf({ ...proof, signedAt: ["2026-01-01T00:00:00Z"] }).created).toBe(born);
    expect(bindingOf({ ...proof, signedAt: ["2027-01-01T00:00:00Z"] }).created).toBe(born + day);
  });
});

describe("the bound tag", () => {
  it.each([
    ["required", "app:1", "passed"],
    ["required", "app:2", "TAG_NOT_BOUND"],
    ["required", "other:1", "TAG_NOT_BOUND"],
    ["required", pinned, "passed"],
    ["required", `app:2@${subject}`, "TAG_NOT_BOUND"],
    ["required", digestOnly, "TAG_NOT_BOUND"],
    ["optional", "app:2", "TAG_NOT_BOUND"],
    ["optional", "other:1", "TAG_NOT_BOUND"],
    ["optional", digestOnly, "passed"],
    ["optional", `other@${subject}`, "TAG_NOT_BOUND"],
  ] as const)("%s, %s: %s", async (tagBinding, name, expected) => {
    expect(outcome(await proofOf({ bindTo: image }), { freshness: { tagBinding }, name })).toBe(expected);
  });
  it("is asked for where it is required, and only there", async () => {
    const proof = await proofOf({ expiresIn: day });
    expect(outcome(proof, { freshness: { tagBinding: "required" } })).toBe("TAG_NOT_BOUND");
    expect(outcome(proof, { freshness: { tagBinding: "optional" } })).toBe("passed");
    expect(outcome(await proofOf({ bindTo: image }), { name: "other:2" })).toBe("passed");
  });
  it("lets a digest alone pass where the policy says so, in the bound repository", async () => {
    const freshness = { tagBinding: "required", digestOnly: "allow" } as const;
    const proof = await proofOf({ bindTo: image });
    expect(outcome(proof, { freshness, name: digestOnly })).toBe("passed");
    expect(outcome(proof, { freshness, name: `other@${subject}` })).toBe("TAG_NOT_BOUND");
    expect(outcome(await proofOf({}), { freshness, name: digestOnly })).toBe("TAG_NOT_BOUND");
  });
  it("needs a tag to bind", () => {
    expect(() => bindingAnnotations({ bindTo: parseReference(digestOnly) }, born)).toThrow(TrustError);
  });
});

describe("a mark", () => {
  it("refuses what is older, or says no time, where the policy has freshness", async () => {
    const proof = await proofOf({ bindTo: image });
    expect(outcome(proof, { freshness: {}, mark: born })).toBe("passed");
    expect(outcome(proof, { freshness: {}, mark: born + 1 })).toBe("ROLLBACK");
    expect(outcome(await proofOf({}), { freshness: {}, mark: born })).toBe("ROLLBACK");
    expect(outcome(proof, { mark: born + 1 })).toBe("passed");
  });
  it("has grace for what names the digest", async () => {
    const proof = await proofOf({ bindTo: image });
    const asked = { freshness: { grace: day }, mark: born + 1 } as const;
    expect(outcome(proof, { ...asked, name: pinned, now: born + day })).toBe("passed");
    expect(outcome(proof, { ...asked, name: pinned, now: born + day + 2 })).toBe("ROLLBACK");
    expect(outcome(proof, { ...asked, now: born + day })).toBe("ROLLBACK");
  });
  it("is the creation since when as many signers as asked for stand behind the image", async () => {
    const proofs = [
      await proofOf({ bindTo: image }, { at: born }),
      await proofOf({ bindTo: image }, { at: born + 3 }),
      await proofOf({ bindTo: image }, { at: born + 2, signer: bob }),
    ];
    const marked = (threshold: number, some = proofs) => {
      const policy = policyOf({}, threshold);
      const facts = { subject, proofs: some, findings: [], ref: image, now: born + day };
      return markOf(policy, evaluatePolicy(policy, false, facts).satisfiedBy, some);
    };
    expect([marked(1), marked(2)]).toEqual([born + 3, born + 2]);
    expect(marked(2, [...proofs.slice(0, 1), await proofOf({}, { signer: bob })])).toBeUndefined();
  });
  it("belongs to one policy and one tag", () => {
    const policy = policyOf({});
    expect(markKey(policy, image)).toBe("p registry.example.com/app:1");
    expect(markKey({ ...policy, namespace: "team" }, image)).toBe("team/p registry.example.com/app:1");
    expect(markKey(policy, parseReference(`registry.example.com/${digestOnly}`))).toBeUndefined();
    expect(markKey(policyOf(undefined), image)).toBeUndefined();
  });
  it("never goes back, and the oldest are forgotten first", () => {
    const marks = createMarks([], 2);
    marks.raise("a", 2);
    marks.raise("a", 1);
    expect(marks.get("a")).toBe(2);
    marks.raise("b", 1);
    marks.raise("c", 1);
    expect([marks.get("a"), marks.get("b"), marks.get("c")]).toEqual([undefined, 1, 1]);
  });
});

describe("what is reported", () => {
  it("is one finding for each signature that does not count, with evidence and the next step", async () => {
    const proofs = [await proofOf({ expiresIn: day }), await proofOf({ expiresIn: 2 * day })];
    const facts = { subject, proofs, findings: [], ref: image, now: born + 3 * day };
    const { findings } = evaluatePolicy(policyOf(undefined), false, facts);
    expect(findings.filter(({ authority }) => authority === "alice")).toMatchObject(
      proofs.map(({ evidence }) => ({ code: "SIGNATURE_EXPIRED", evidence, hint: expect.stringContaining("refresh") })),
    );
  });
  it("is when a signature stops counting: its expiry or its age, whichever comes first", async () => {
    const facts = { subject, proofs: [await proofOf({ expiresIn: 9 * day })], findings: [], ref: image, now: born };
    const until = (freshness: Partial<Freshness> | undefined) =>
      evaluatePolicy(policyOf(freshness), false, facts).satisfiedBy[0]?.expiresAt;
    expect(until(undefined)).toBe("2026-01-10T00:00:00.000Z");
    expect(until({ maxAge: 2 * day })).toBe("2026-01-03T00:00:00.000Z");
    const forever = { ...facts, proofs: [await proofOf({})] };
    expect(evaluatePolicy(policyOf(undefined), false, forever).satisfiedBy[0]).not.toHaveProperty("expiresAt");
  });
});
