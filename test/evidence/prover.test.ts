import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { createProver } from "../../src/evidence/prover.ts";
import type { SignatureBundle, SignatureFormat } from "../../src/formats/format.ts";

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
});
