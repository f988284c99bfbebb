import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { exitCodeOf, TrustError } from "../src/errors.ts";
import { cosign, signatureTag } from "../src/formats/cosign.ts";
import type { SignatureFormat } from "../src/formats/format.ts";
import { formats } from "../src/formats/index.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import type { Signer } from "../src/keys/signer.ts";
import type { ImageReference } from "../src/oci/reference.ts";
import type { Registry } from "../src/oci/registry.ts";
import { bindingAnnotations } from "../src/policy/binding.ts";
import { compileCondition } from "../src/policy/cel.ts";
import type { Freshness, PolicyMode, TrustPolicy } from "../src/policy/policy.ts";
import { defaultSettings } from "../src/policy/settings.ts";
import { categoriesOf, type Verdict } from "../src/policy/verdict.ts";
import { signImage } from "../src/sign.ts";
import { createVerifier } from "../src/verify.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
const alice = newSigner();
const bob = newSigner("ed25519");
let serial = 0;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.requests.length = 0;
});

const sign = (image: ImageReference, signer: Signer, chosen: readonly SignatureFormat[] = [sigstoreBundle]) =>
  signImage(stage.registry, { image, signer, formats: chosen, now: stage.clock.now });

const freshImage = () => stage.newImage(`app${serial++}:1`);

const numbers = `[${Array.from({ length: 100 }, (_, index) => index).join(",")}]`;
/** Of some ten thousand steps. */
const costly = compileCondition(`${numbers}.all(a, ${numbers}.all(b, a + b < 1000))`, "policy");

function policyBy(signer: Signer, more: Partial<TrustPolicy> = {}): TrustPolicy {
  const authorities = [{ kind: "key", name: "release", keys: [signer.publicKey] }] as const;
  return {
    name: "production",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities,
    threshold: 1,
    source: "test",
    ...more,
  };
}

describe("a decision", () => {
  const object = { apiGroup: "", resource: "pods", namespace: "tenant", labels: {} };

  it("asks no registry where policies of a namespace alone speak of what the default denies", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const tenants = policyBy(alice, { namespace: "tenant" });
    stage.requests.length = 0;
    const verdict = await stage.verifier([tenants]).verify({ image: image.text, object });
    expect(verdict).toMatchObject({
      outcome: "deny",
      status: "no-policy",
      policies: [{ passed: false, findings: [] }],
    });
    expect(stage.requests).toEqual([]);
    const both = await stage.verifier([tenants, policyBy(alice)]).verify({ image: image.text, object });
    expect(both.outcome).toBe("allow");
  });

  it("lets policies of a namespace cost so much together, and those of the cluster as much as they like", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const many = (namespace: string | undefined) =>
      Array.from({ length: 60 }, (_, index) =>
        policyBy(alice, { name: `p${index}`, condition: costly, ...(namespace === undefined ? {} : { namespace }) }),
      );
    const outcome = async (namespace?: string) =>
      (await stage.verifier([policyBy(alice), ...many(namespace)]).verify({ image: image.text, object })).outcome;
    expect([await outcome(), await outcome("tenant")]).toEqual(["allow", "deny"]);
  });

  it.each(formats.map((format) => [format.name, format] as const))(
    "allows what the authority signed (%s)",
    async (_name, format) => {
      const image = await freshImage();
      await sign(image.ref, alice, [format]);
      const verdict = await stage.verifier([policyBy(alice)]).verify({ image: image.text });
      expect(verdict).toMatchObject({
        outcome: "allow",
        status: "trusted",
        digest: image.digest,
        findings: [],
        unsafe: [],
        children: [],
      });
      expect(verdict.policies).toMatchObject([
        { name: "production", passed: true, satisfiedBy: [{ authority: "release" }] },
      ]);
      expect(verdict.evidence).toHaveLength(1);
      expect(categoriesOf(verdict)).toEqual([]);
    },
  );

  it("judges all signatures together: a stranger's, in either form, hides nothing", async () => {
    const image = await freshImage();
    await sign(image.ref, alice, [cosign]);
    await sign(image.ref, bob, [sigstoreBundle, cosign]);
    for (const signer of [alice, bob]) {
      expect(await stage.verifier([policyBy(signer)]).verify({ image: image.text })).toMatchObject({
        outcome: "allow",
      });
    }
  });

  it("denies what nobody signed, with the digest and the reason", async () => {
    const image = await freshImage();
    const verdict = await stage.verifier([policyBy(alice)]).verify({ image: image.text });
    expect(verdict).toMatchObject({
      outcome: "deny",
      status: "untrusted",
      digest: image.digest,
      policies: [{ passed: false, findings: [{ code: "NO_SIGNATURE" }] }],
    });
    expect(categoriesOf(verdict)).toEqual(["untrusted"]);
  });

  it("denies a tag that was moved after signing", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const moved = await stage.newImage(image.text.slice(stage.host.length + 1), "other content");
    expect(moved.digest).not.toBe(image.digest);
    expect(await stage.verifier([policyBy(alice)]).verify({ image: image.text })).toMatchObject({
      outcome: "deny",
      digest: moved.digest,
    });
    const byDigest = `${image.text.replace(/:1$/, "")}@${image.digest}`;
    expect(await stage.verifier([policyBy(alice)]).verify({ image: byDigest })).toMatchObject({ outcome: "allow" });
  });

  it("needs all policies, each in its own mode", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const second = (mode: PolicyMode) => policyBy(bob, { name: "second", mode });
    const outcomeUnder = async (mode: PolicyMode) =>
      (await stage.verifier([policyBy(alice), second(mode)]).verify({ image: image.text })).outcome;
    expect([await outcomeUnder("enforce"), await outcomeUnder("warn"), await outcomeUnder("audit")]).toEqual([
      "deny",
      "warn",
      "allow",
    ]);
  });

  it.each([
    ["no such tag", "nothing:9", "IMAGE_NOT_FOUND"],
    ["no such digest", `nothing@sha256:${"0".repeat(64)}`, "IMAGE_NOT_FOUND"],
  ])("says that an image is missing: %s", async (_name, name, code) => {
    const verdict = await stage.verifier([policyBy(alice)]).verify({ image: `${stage.host}/${name}` });
    expect(verdict).toMatchObject({ outcome: "deny", status: "untrusted", findings: [{ code }] });
  });

  it.each(["", "UPPER/case", "a b", "app:", "@sha256:00", "x".repeat(5000)])("refuses %j as a name", async (image) => {
    const verdict = await stage.verifier([policyBy(alice)]).verify({ image });
    expect(verdict).toMatchObject({ outcome: "deny", findings: [{ code: "REFERENCE_INVALID" }] });
    expect(categoriesOf(verdict)).toEqual(["usage"]);
    expect(stage.requests).toEqual([]);
  });
});

describe("what no policy speaks about", () => {
  const elsewhere = () => policyBy(alice, { images: [{ glob: "registry.example.com/**" }] });
  it.each([
    ["deny", "deny"],
    ["warn", "warn"],
    ["allow", "allow"],
  ] as const)("follows the default %s, and no request leaves", async (noMatch, outcome) => {
    const verdict = await stage.verifier([elsewhere()], { noMatch }).verify({ image: `${stage.host}/app:1` });
    expect(verdict).toMatchObject({ outcome, status: "no-policy", findings: [{ code: "NO_POLICY" }] });
    expect(stage.requests).toEqual([]);
  });
  it("is not spoken about by a policy that only warns", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    expect(await stage.verifier([policyBy(alice, { mode: "warn" })]).verify({ image: image.text })).toMatchObject({
      outcome: "deny",
      status: "no-policy",
    });
  });
  it("is denied for that, whatever a policy that only warns could not find out", async () => {
    const image = await freshImage();
    const verifier = stage.verifier([policyBy(alice, { mode: "warn" })]);
    await stage.outage();
    try {
      const verdict = await verifier.verify({ image: image.text });
      expect(verdict).toMatchObject({
        outcome: "deny",
        status: "no-policy",
        findings: [{ code: "NO_POLICY" }, { code: "REGISTRY_UNREACHABLE" }],
      });
      expect(exitCodeOf(categoriesOf(verdict))).toBe(1);
    } finally {
      await stage.resume();
    }
  });
  it("is not what is excluded: that passes without a request", async () => {
    const verdict = await stage
      .verifier([policyBy(alice, { exclude: ["**"] })])
      .verify({ image: `${stage.host}/app:1` });
    expect(verdict).toMatchObject({ outcome: "allow", status: "exempt", policies: [{ passed: true }] });
    expect(stage.requests).toEqual([]);
  });
  it("is everything where there is no policy at all", async () => {
    expect(await stage.verifier([]).verify({ image: `${stage.host}/app:1` })).toMatchObject({
      outcome: "deny",
      status: "no-policy",
    });
  });
});

describe("requests", () => {
  it("are one head, one for each place, and the signatures; then none while the answers are young", async () => {
    const image = await freshImage();
    await sign(image.ref, alice, formats);
    stage.requests.length = 0;
    const verifier = stage.verifier([policyBy(alice)]);
    await verifier.verify({ image: image.text });
    const hex = image.digest.slice(7);
    expect(stage.requests[0]).toMatch(/^HEAD .*\/manifests\/1$/);
    expect(stage.requests.filter((line) => line.endsWith(`/referrers/${image.digest}`))).toHaveLength(1);
    expect(stage.requests.filter((line) => line.endsWith(`/manifests/sha256-${hex}`))).toHaveLength(1);
    expect(stage.requests.filter((line) => line.endsWith(`/manifests/${signatureTag(image.digest)}`))).toHaveLength(1);
    expect(stage.requests).toHaveLength(1 + 3 + 2 + 1);
    stage.requests.length = 0;
    await verifier.verify({ image: image.text });
    expect(stage.requests).toEqual([]);
  });

  it("are made once however many ask at the same time, with however many policies and keys", async () => {
    const image = await freshImage();
    await sign(image.ref, alice, formats);
    stage.requests.length = 0;
    const policies = Array.from({ length: 15 }, (_, i) =>
      policyBy(alice, {
        name: `p${i}`,
        authorities: [{ kind: "key", name: "a", keys: [alice.publicKey, newSigner().publicKey] }],
      }),
    );
    const verifier = stage.verifier(policies);
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => verifier.verify({ image: image.text })));
    expect(verdicts.every(({ outcome }) => outcome === "allow")).toBe(true);
    expect(stage.requests).toHaveLength(7);
  });

  it("grow with digests, not with tags", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const again = await stage.newImage(`${image.ref.repository}:2`, `${image.ref.repository}:1`);
    expect(again.digest).toBe(image.digest);
    const verifier = stage.verifier([policyBy(alice)]);
    await verifier.verify({ image: image.text });
    stage.requests.length = 0;
    await verifier.verify({ image: again.text });
    expect(stage.requests).toHaveLength(1);
  });
});

describe("time", () => {
  it("lists again before a denial, so that a new signature counts at once", async () => {
    const image = await freshImage();
    const verifier = stage.verifier([policyBy(alice)]);
    expect((await verifier.verify({ image: image.text })).outcome).toBe("deny");
    await sign(image.ref, alice);
    stage.clock.now += 1001;
    expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
  });

  it("asks nothing for repeated denials within the second", async () => {
    const image = await freshImage();
    const verifier = stage.verifier([policyBy(alice)]);
    await verifier.verify({ image: image.text });
    stage.requests.length = 0;
    for (let i = 0; i < 20; i++) await verifier.verify({ image: image.text });
    expect(stage.requests).toEqual([]);
  });

  it("asks nothing again for what no policy refuses: a policy on trial costs no more than one in force", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const trial = policyBy(bob, { name: "trial", mode: "audit" });
    const verifier = stage.verifier([policyBy(alice), trial]);
    await verifier.verify({ image: image.text });
    stage.requests.length = 0;
    stage.clock.now += 9_000;
    expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
    expect(stage.requests).toEqual([]);
  });

  it("sees a moved tag after the tag's time", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const verifier = stage.verifier([policyBy(alice)]);
    expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
    await stage.newImage(image.text.slice(stage.host.length + 1), "moved");
    stage.clock.now += 10_001;
    expect((await verifier.verify({ image: image.text })).outcome).toBe("deny");
  });
});

describe("freshness", () => {
  const day = 24 * 3600_000;
  const fresh = (more: Partial<Freshness> = {}) =>
    policyBy(alice, { freshness: { tagBinding: "required", digestOnly: "deny", grace: 0, ...more } });
  const bind = (image: ImageReference, expiresIn?: number) => {
    const annotations = bindingAnnotations({ expiresIn, bindTo: image }, stage.clock.now);
    return signImage(stage.registry, { image, signer: alice, formats, annotations, now: stage.clock.now });
  };
  const codesOf = ({ policies }: Verdict) => policies.flatMap(({ findings }) => findings.map(({ code }) => code));

  it("ends an allow with what it rests on, however young the listing is", async () => {
    const image = await freshImage();
    await bind(image.ref, 90_000);
    const verifier = stage.verifier([fresh()]);
    stage.clock.now += 60_000;
    const verdict = await verifier.verify({ image: image.text });
    expect(verdict).toMatchObject({ outcome: "allow", validUntil: new Date(stage.clock.now + 30_000).toISOString() });
    stage.clock.now += 30_001;
    expect(codesOf(await verifier.verify({ image: image.text }))).toContain("SIGNATURE_EXPIRED");
  });

  it("refuses a tag that was moved back, once the newer image was seen", async () => {
    const old = await freshImage();
    const name = old.text.slice(stage.host.length + 1);
    await bind(old.ref);
    const verifier = stage.verifier([fresh({ grace: day })]);
    stage.clock.now += day;
    const young = await stage.newImage(name, "the next release");
    await bind(young.ref);
    expect(await verifier.verify({ image: young.text })).toMatchObject({ outcome: "allow", digest: young.digest });
    await stage.newImage(name);
    stage.clock.now += 11_000;
    const refused = await verifier.verify({ image: old.text });
    expect(refused).toMatchObject({ outcome: "deny", digest: old.digest });
    expect(codesOf(refused)).toContain("ROLLBACK");
    expect(await verifier.verify({ image: `${old.text}@${old.digest}` })).toMatchObject({ outcome: "allow" });
    // Another verifier has not seen the newer one; that is what its own state is for.
    expect(await stage.verifier([fresh()]).verify({ image: old.text })).toMatchObject({ outcome: "allow" });
    await bind(old.ref);
    stage.clock.now += 11_000;
    expect(await verifier.verify({ image: old.text })).toMatchObject({ outcome: "allow" });
  });

  it("does not let one policy's signers raise the mark of another's", async () => {
    const image = await freshImage();
    await bind(image.ref);
    stage.clock.now += day;
    const annotations = bindingAnnotations({ bindTo: image.ref }, stage.clock.now);
    await signImage(stage.registry, { image: image.ref, signer: bob, formats, annotations, now: stage.clock.now });
    const verifier = stage.verifier([fresh(), { ...fresh(), ...policyBy(bob, { name: "other" }) }]);
    for (let i = 0; i < 2; i++) expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
  });
});

describe("mirrors", () => {
  const gone = "registry.example.invalid";
  const mirrored = (to: string) =>
    policyBy(alice, { images: [{ glob: `${gone}/**` }], mirrors: [{ from: `${gone}/prod`, to }] });

  it("give manifests and signatures, while policy and verdict speak of the original name", async () => {
    const image = await stage.newImage(`cache/app${serial++}:1`);
    await sign(image.ref, alice);
    const name = `${gone}/prod/${image.ref.repository.slice("cache/".length)}:1`;
    const verdict = await stage.verifier([mirrored(`${stage.host}/cache`)]).verify({ image: name });
    expect(verdict).toMatchObject({ outcome: "allow", image: name, digest: image.digest });
    expect(await stage.verifier([mirrored(`${stage.host}/other`)]).verify({ image: name })).toMatchObject({
      outcome: "deny",
      status: "unavailable",
    });
  });
  it("are those of the policies that match, and answer for no others", async () => {
    const image = await stage.newImage(`cache/app${serial++}:1`);
    await sign(image.ref, alice);
    const name = `${gone}/prod/${image.ref.repository.slice("cache/".length)}:1`;
    let policies = [mirrored(`${stage.host}/cache`)];
    const verifier = createVerifier({
      registry: stage.registry,
      policies: () => ({ policies, revision: "" }),
      settings: defaultSettings,
      now: () => stage.clock.now,
    });
    expect((await verifier.verify({ image: name })).outcome).toBe("allow");
    policies = [policyBy(alice)];
    expect((await verifier.verify({ image: name })).status).toBe("unavailable");
  });
});

describe("an outage", () => {
  it("never looks like tampering", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    await stage.outage();
    try {
      const verdict = await stage.verifier([policyBy(alice)]).verify({ image: image.text });
      expect(verdict).toMatchObject({
        outcome: "deny",
        status: "unavailable",
        findings: [{ code: "REGISTRY_UNREACHABLE" }],
      });
      expect(categoriesOf(verdict)).toEqual(["unavailable"]);
    } finally {
      await stage.resume();
    }
  });

  it("leaves what was proved proved, for as long as the settings say, and says so", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const verifier = stage.verifier([policyBy(alice)], { staleTag: 0 });
    const byDigest = `${image.text.replace(/:1$/, "")}@${image.digest}`;
    await verifier.verify({ image: byDigest });
    await verifier.verify({ image: image.text });
    await stage.outage();
    try {
      stage.clock.now += 3600_000;
      const verdict = await verifier.verify({ image: byDigest });
      expect(verdict).toMatchObject({
        outcome: "allow",
        status: "trusted",
        unsafe: [expect.stringContaining("out of reach")],
      });
      expect((await verifier.verify({ image: image.text })).status).toBe("unavailable");
      stage.clock.now += 24 * 3600_000;
      expect(await verifier.verify({ image: byDigest })).toMatchObject({ outcome: "deny", status: "unavailable" });
    } finally {
      await stage.resume();
    }
    expect((await verifier.verify({ image: byDigest })).outcome).toBe("allow");
  });

  it("is never remembered", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const verifier = stage.verifier([policyBy(alice)]);
    await stage.outage();
    expect((await verifier.verify({ image: image.text })).status).toBe("unavailable");
    await stage.resume();
    expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
  });
});

describe("an outage of one place of signatures", () => {
  const halfBroken = (): Registry => ({
    ...stage.registry,
    async listReferrers() {
      throw new TrustError("REGISTRY_ERROR", "503");
    },
  });
  const verifierWith = (registry: () => Registry) =>
    createVerifier({
      registry: { ...stage.registry, listReferrers: (...asked) => registry().listReferrers(...asked) },
      policies: () => ({ policies: [policyBy(alice)], revision: "1" }),
      settings: defaultSettings,
      now: () => stage.clock.now,
    });

  it("shows in the verdict where it rests on what the place had before", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    let registry = stage.registry;
    const verifier = verifierWith(() => registry);
    expect(await verifier.verify({ image: image.text })).toMatchObject({ outcome: "allow", unsafe: [] });
    registry = halfBroken();
    stage.clock.now += 61_000;
    expect(await verifier.verify({ image: image.text })).toMatchObject({
      outcome: "allow",
      unsafe: [expect.stringContaining("out of reach")],
    });
    stage.clock.now += 24 * 3600_000;
    expect(await verifier.verify({ image: image.text })).toMatchObject({ outcome: "deny", status: "unavailable" });
  });

  it("leaves an allow that rests on another place, valid for no longer than now", async () => {
    const image = await freshImage();
    await sign(image.ref, alice, [cosign]);
    const verdict = await verifierWith(halfBroken).verify({ image: image.text });
    expect(verdict).toMatchObject({ outcome: "allow", unsafe: [], validUntil: verdict.decidedAt });
  });
});

describe("a deadline", () => {
  it("denies what is unknown, and ends the work of nobody else", async () => {
    const image = await freshImage();
    await sign(image.ref, alice);
    const verifier = stage.verifier([policyBy(alice)]);
    const late = verifier.verify({ image: image.text, signal: AbortSignal.abort() });
    const patient = verifier.verify({ image: image.text });
    expect(await late).toMatchObject({
      outcome: "deny",
      status: "unavailable",
      findings: [{ code: "DEADLINE_EXCEEDED" }],
    });
    expect(await patient).toMatchObject({ outcome: "allow" });
  });
});
