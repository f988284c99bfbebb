import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { cosign } from "../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { bindingAnnotations } from "../../src/policy/binding.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { TrustPolicy } from "../../src/policy/policy.ts";
import { newSigner, trusting } from "../support/signers.ts";

const subject = digestOf(Buffer.from("image"));
const alice = newSigner();

interface Signing {
  readonly image?: string;
  readonly identity?: string;
  readonly bind?: boolean;
  readonly format?: typeof cosign;
}

async function said(wanted: TrustPolicy["signedIdentity"], asked: string, signing: Signing = {}) {
  const { image = "registry.example.com/app:1", identity, bind = false, format = cosign } = signing;
  const ref = parseReference(image);
  const annotations = bindingAnnotations({ bindTo: bind ? ref : undefined }, 0);
  const described = { mediaType: "x", digest: subject, size: 1 };
  const made = await format.sign({ image: ref, subject: described, signer: alice, annotations, identity, now: 0 });
  const proof = await format.verify(made.bundle, subject, trusting(alice));
  if (proof.kind !== "signature") throw new Error("an image signature was made");
  const policy: TrustPolicy = {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "release", keys: [alice.publicKey] }],
    threshold: 1,
    ...(wanted && { signedIdentity: wanted }),
    source: "test",
  };
  const facts = { subject, proofs: [proof], findings: [], ref: parseReference(asked), now: 0 };
  const { passed, findings } = evaluatePolicy(policy, false, facts);
  return passed ? "passed" : findings[0]?.code;
}

const app = "registry.example.com/app";

describe("the name inside a signature", () => {
  it("does not matter where the policy does not say so", async () => {
    expect(await said(undefined, "elsewhere.example.com/other:9")).toBe("passed");
    expect(await said("any", "elsewhere.example.com/other:9", { format: sigstoreBundle })).toBe("passed");
  });

  it.each([
    ["repository", `${app}:1`, {}, "passed"],
    ["repository", `${app}:2`, { identity: `${app}:1` }, "passed"],
    ["repository", "registry.example.com/other:1", {}, "IDENTITY_MISMATCH"],
    ["repository", "other.example.com/app:1", {}, "IDENTITY_MISMATCH"],
    ["exact", `${app}:1`, {}, "IDENTITY_MISMATCH"],
    ["exact", `${app}:1`, { identity: `${app}:1` }, "passed"],
    ["exact", `${app}:2`, { identity: `${app}:1` }, "IDENTITY_MISMATCH"],
    ["exact", `${app}:latest`, { identity: app }, "IDENTITY_MISMATCH"],
    ["exact", `${app}@${subject}`, { identity: `${app}:1` }, "passed"],
    ["exact", `${app}@${subject}`, { identity: `${app}@${subject}` }, "passed"],
    ["exact", `${app}@${subject}`, {}, "IDENTITY_MISMATCH"],
    ["exact", `${app}:1@${subject}`, { identity: `${app}:1` }, "passed"],
    ["exact", `${app}:2@${subject}`, { identity: `${app}:1` }, "IDENTITY_MISMATCH"],
    ["exact", "nginx:1", { image: "nginx:1", identity: "index.docker.io/library/nginx:1" }, "passed"],
    ["repository", "nginx:1", { image: "docker.io/library/nginx:1" }, "passed"],
    ["repository", `${app}:1`, { identity: "Not A Name" }, "IDENTITY_MISMATCH"],
  ] as const)("%s, asked for %s, signed %j: %s", async (wanted, asked, signing, expected) => {
    expect(await said(wanted, asked, signing)).toBe(expected);
  });

  it("may be the bound one, in every form", async () => {
    for (const format of [cosign, sigstoreBundle]) {
      expect(await said("exact", `${app}:1`, { format, bind: true })).toBe("passed");
      expect(await said("exact", `${app}:2`, { format, bind: true })).toBe("IDENTITY_MISMATCH");
    }
    expect(await said("repository", `${app}:1`, { format: sigstoreBundle })).toBe("IDENTITY_MISMATCH");
  });
});
