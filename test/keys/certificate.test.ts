import { createPrivateKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { certifiedSigner, readSigningCertificate } from "../../src/keys/certificate.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";
import { signerOf } from "../support/signers.ts";
import {
  basicConstraints,
  ecKey,
  eku,
  email,
  end,
  issue,
  issueAuthority,
  issueLeaf,
  keyUsage,
  middle,
  pemOf,
  san,
  start,
} from "../support/x509.ts";

const key = ecKey();
const root = issueAuthority("root");
const outer = issueAuthority("outer", { issuer: root });
const inner = issueAuthority("inner", { issuer: outer });
const leaf = issueLeaf(inner, { key });
const chain = pemOf(inner, outer, root);
const read = (certificate: string, issuers?: string, now = middle) =>
  readSigningCertificate({ certificate, chain: issuers }, now);

describe("the certificate that is signed with", () => {
  it("comes with its issuers in order, the root last, in one file or in two", async () => {
    const inTwo = await read(pemOf(leaf), chain);
    expect(inTwo.leaf.raw).toEqual(leaf.der);
    expect(inTwo.issuers.map(({ raw }) => raw)).toEqual([inner.der, outer.der, root.der]);
    const inOne = await read(pemOf(leaf) + chain);
    expect(inOne.issuers.map(({ fingerprint }) => fingerprint)).toEqual(
      inTwo.issuers.map(({ fingerprint }) => fingerprint),
    );
  });

  const otherRoot = issueAuthority("root");
  const forServers = issue({
    key,
    issuer: inner,
    extensions: [basicConstraints(false), keyUsage(0), eku("1.3.6.1.5.5.7.3.1"), san([email("ci@example.com")])],
  });
  it.each([
    ["has no issuers", pemOf(leaf), undefined],
    ["ends before the root", pemOf(leaf), pemOf(inner, outer)],
    ["is out of order", pemOf(leaf), pemOf(outer, inner, root)],
    ["starts with the root", pemOf(leaf), pemOf(root, outer, inner)],
    ["leaves one out", pemOf(leaf), pemOf(inner, root)],
    ["has the leaf twice", pemOf(leaf), pemOf(leaf) + chain],
    ["ends in another root of the same name", pemOf(leaf), pemOf(inner, outer, otherRoot)],
    ["is for servers", pemOf(forServers), chain],
    ["is an authority", pemOf(inner), pemOf(outer, root)],
    ["is not PEM", "certificate", chain],
    ["comes with what is not PEM", pemOf(leaf), "chain"],
    ["comes with a private key", pemOf(leaf), `${chain}${key.privateKey.export({ type: "pkcs8", format: "pem" })}`],
  ])("is refused where it %s", async (_case, certificate, issuers) => {
    expect(await codeOfRejection(read(certificate, issuers))).toBe("CERTIFICATE_UNUSABLE");
  });

  it.each([
    ["before it is valid", start - 1],
    ["after it is valid", end + 1000],
  ])("is refused %s", async (_when, now) => {
    expect(await codeOfRejection(read(pemOf(leaf), chain, now))).toBe("CERTIFICATE_UNUSABLE");
  });

  it("is for one key, and for no other", async () => {
    const certificate = await read(pemOf(leaf), chain);
    const own = signerOf(createPrivateKey(key.privateKey.export({ type: "pkcs8", format: "pem" })));
    const signer = certifiedSigner(own, certificate);
    expect(await signer.certificate?.()).toBe(certificate);
    const stranger = signerOf(ecKey().privateKey);
    expect(codeOf(() => certifiedSigner(stranger, certificate))).toBe("CERTIFICATE_UNUSABLE");
  });
});
