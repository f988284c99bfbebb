import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { createProver } from "../../src/evidence/prover.ts";
import type { SignatureBundle, SignatureFormat } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { createCertificateTrust } from "../../src/trust/certificate-trust.ts";
import { signerOf } from "../support/signers.ts";
import { ecKey, end, issueAuthority, issueLeaf, middle, parse, pemOf, start } from "../support/x509.ts";

const subject = digestOf(Buffer.from("image"));
const trust = { revision: "1", keys: [] };

/** A prover that counts what it really has to prove, asked each time as if the registry had been listed again. */
function counting() {
  const proved: string[] = [];
  const unused = () => Promise.reject(new Error("not asked for"));
  const format: SignatureFormat = {
    name: "counted",
    find: unused,
    sign: unused,
    attest: unused,
    async verify({ claimId }) {
      proved.push(claimId);
      throw new TrustError("SIGNER_NOT_TRUSTED", "a stranger's");
    },
  };
  const prove = createProver([format]);
  const ask = (claimId: string, bytes: number) => {
    const content = Buffer.alloc(bytes);
    const bundle: SignatureBundle = { format: "counted", evidence: subject, claimId, content, annotations: {} };
    return prove({ bundles: [bundle], findings: [], complete: true }, subject, trust, 0);
  };
  return { proved, ask };
}

describe("a prover", () => {
  it("proves a claim once, and remembers thousands", async () => {
    const { proved, ask } = counting();
    for (let round = 0; round < 2; round++) for (let i = 0; i < 5000; i++) await ask(`claim ${i}`, 3000);
    expect(proved).toHaveLength(5000);
  });

  it("forgets the oldest where what is remembered would fill the memory", async () => {
    const { proved, ask } = counting();
    for (let i = 0; i < 20; i++) await ask(`large ${i}`, 4 * 1024 * 1024);
    await ask("large 19", 4 * 1024 * 1024);
    expect(proved).toHaveLength(20);
    await ask("large 0", 4 * 1024 * 1024);
    expect(proved).toHaveLength(21);
  });

  describe("of a signature whose certificate is judged by now", () => {
    const root = issueAuthority("root");
    const certificate = issueLeaf(root, { key: ecKey() });
    const own = createCertificateTrust(pemOf(root));
    const trust = { revision: own.id, keys: [], certificates: [own] };

    /** A listing that stays the same, and how often the signature in it was really proved. */
    async function stage() {
      const signer: Signer = {
        ...signerOf(certificate.key.privateKey),
        certificate: async () => ({ leaf: parse(certificate), issuers: [parse(root)] }),
      };
      const image = parseReference("registry.example.com/app:1");
      const { bundle } = await sigstoreBundle.sign({
        image,
        subject: { mediaType: "x", digest: subject, size: 1 },
        signer,
        annotations: {},
        now: middle,
      });
      let proved = 0;
      const format: SignatureFormat = {
        ...sigstoreBundle,
        verify(...asked) {
          proved++;
          return sigstoreBundle.verify(...asked);
        },
      };
      const prove = createProver([format]);
      const listing = { bundles: [bundle], findings: [], complete: true };
      const ask = async (now: number) => {
        const { proofs, findings } = await prove(listing, subject, trust, now);
        return proofs.length === 1 ? "proved" : findings[0]?.code;
      };
      return { ask, proved: () => proved };
    }

    it("proves it once while the certificate is valid, and no longer", async () => {
      const { ask, proved } = await stage();
      for (const now of [middle, middle + 1000, start, end]) expect(await ask(now)).toBe("proved");
      expect(proved()).toBe(1);
      expect(await ask(end + 1)).toBe("CERTIFICATE_EXPIRED");
      expect(await ask(start - 1)).toBe("CERTIFICATE_EXPIRED");
    });

    it("asks again for one that was not valid yet", async () => {
      const { ask, proved } = await stage();
      expect(await ask(start - 1000)).toBe("CERTIFICATE_EXPIRED");
      expect(await ask(start - 900)).toBe("CERTIFICATE_EXPIRED");
      expect(proved()).toBe(1);
      expect(await ask(start + 120_000)).toBe("proved");
    });
  });
});
