import { describe, expect, it } from "vitest";
import { digestHex, digestOf } from "../../src/crypto/digest.ts";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import type { TrustMaterial } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleOf } from "../../src/formats/sigstore-bundle-parse.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { codeOfRejection } from "../support/errors.ts";
import { keyOf, makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";

const subject = digestOf(Buffer.from("image"));
const world = createWorld();
const root = parseTrustRoot(trustedRootOf(world), { name: "test", source: { kind: "file" } });
const believing: TrustMaterial = { revision: root.revision, keys: [], roots: [root] };

function made(recipe: Recipe = {}) {
  return Buffer.from(JSON.stringify(makeBundle(world, { subject: digestHex(subject), ...recipe }).bundle));
}
const verify = (content: Uint8Array, trust = believing) =>
  sigstoreBundle.verify(bundleOf(content, digestOf(content)), subject, trust, world.now());

describe("a keyless bundle", () => {
  it.each([
    {},
    { log: "v2", timestamp: true },
    { version: "0.1" },
    { version: "0.2" },
    { key: "rsa" },
  ] as readonly Recipe[])("is proved under a trust root: %o", async (recipe) => {
    const proof = await verify(made(recipe));
    expect(proof).toMatchObject({
      signer: { kind: "keyless" },
      backings: [{ trust: root.revision, counts: { sct: 1 } }],
    });
    expect(proof.signedAt.length).toBeGreaterThan(0);
    expect(proof.validity).toBeUndefined();
  });

  it("is not proved where nobody trusts a root, whatever keys are trusted", async () => {
    const keys = [toPublicKey(keyOf("p256").publicKey)];
    expect(await codeOfRejection(verify(made(), { revision: "k", keys }))).toBe("SIGNER_NOT_TRUSTED");
  });

  it.each([{}, { log: "v2", timestamp: true }] as readonly Recipe[])(
    "is believed in nothing else after a change of one byte: %o",
    async (recipe) => {
      const content = made(recipe);
      // Evidence of a log that nobody knows counts as absent: less may be proved then, never anything else.
      const said = async (bytes: Uint8Array) => {
        const { signer, signedAt, annotations } = await verify(bytes);
        return { who: JSON.stringify([signer, annotations]), signedAt };
      };
      const before = await said(content);
      let refused = 0;
      for (let at = 0; at < content.length; at += 13) {
        const changed = Buffer.from(content);
        changed[at] = (changed[at] ?? 0) ^ 0x01;
        try {
          const after = await said(changed);
          expect(after.who).toBe(before.who);
          expect(before.signedAt).toEqual(expect.arrayContaining([...after.signedAt]));
        } catch (error) {
          if (!(error instanceof TrustError)) throw error;
          expect(error.code).not.toBe("INTERNAL");
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(content.length / 13 / 2);
    },
    60_000,
  );

  it("that names two signers, or none, is refused", async () => {
    const bundle = JSON.parse(made().toString());
    const { verificationMaterial: material } = bundle;
    const variants = [
      { ...material, publicKey: { hint: "" } },
      { ...material, certificate: undefined },
      { ...material, x509CertificateChain: { certificates: [material.certificate] } },
    ];
    for (const verificationMaterial of variants) {
      const content = Buffer.from(JSON.stringify({ ...bundle, verificationMaterial }));
      expect(await codeOfRejection(verify(content))).toBe("SIGNATURE_MALFORMED");
    }
  });
});
