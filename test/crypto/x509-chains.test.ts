import { describe, expect, it } from "vitest";
import { parseCertificate } from "../../src/crypto/x509.ts";
import { candidateChains } from "../../src/crypto/x509-chains.ts";
import { codeOf } from "../support/errors.ts";
import {
  authorityKeyId,
  ecKey,
  email,
  type Issued,
  issue,
  issueAuthority,
  issueLeaf,
  name,
  parse,
  san,
} from "../support/x509.ts";

const root = issueAuthority("root");
const chainsOf = (leaf: Issued, intermediates: readonly Issued[], roots: readonly Issued[] = [root]) => [
  ...candidateChains({ leaf: parse(leaf), intermediates: intermediates.map(parse), roots: roots.map(parse) }),
];

describe("candidate chains", () => {
  it("never hold one key under one name twice", () => {
    const keys = Array.from({ length: 3 }, () => ecKey());
    const mesh = keys.flatMap((key) =>
      keys.map((by) => issueAuthority("mesh", { key, issuer: { subject: name("mesh"), key: by } })),
    );
    const gates = keys.map((key) => issueAuthority("mesh", { key, issuer: root }));
    const leaf = issueLeaf({ subject: name("mesh"), key: keys[0] ?? ecKey() });
    const chains = chainsOf(leaf, [...mesh, ...gates]);
    expect(chains.length).toBeGreaterThan(1);
    for (const chain of chains) {
      const holders = chain.map(({ subject, spki }) => subject.text + spki.toString("hex"));
      expect(new Set(holders).size).toBe(chain.length);
    }
  });

  it("are no more than 16, however many there are", () => {
    const authorities = Array.from({ length: 32 }, () => issueAuthority("int", { issuer: root }));
    const leaf = issueLeaf({ subject: name("int"), key: ecKey() });
    expect(chainsOf(leaf, authorities)).toHaveLength(16);
    expect(codeOf(() => chainsOf(leaf, [...authorities, root]))).toBe("CERTIFICATE_INVALID");
  });

  it("come with the authority first that the key identifier points at", () => {
    const authorities = Array.from({ length: 20 }, () => issueAuthority("int", { issuer: root }));
    for (const authority of authorities) {
      const leaf = issue({
        issuer: authority,
        extensions: [san([email("ci@example.com")]), authorityKeyId(authority.key)],
      });
      expect(chainsOf(leaf, authorities)[0]?.[1]?.raw).toEqual(authority.der);
    }
  });

  it("end at a root, also one that another one certified", () => {
    const cross = issueAuthority("int", { issuer: root });
    const leaf = issueLeaf(cross);
    expect(chainsOf(leaf, [cross], [cross, root]).map((chain) => chain.length)).toEqual([2]);
    expect(chainsOf(leaf, [cross], []).length).toBe(0);
  });

  it("are made of equal bytes, not of the same objects", () => {
    const leaf = parse(issueLeaf(root));
    const [chain] = candidateChains({ leaf, intermediates: [], roots: [parseCertificate(Buffer.from(root.der))] });
    expect(chain).toHaveLength(2);
  });
});
