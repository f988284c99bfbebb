import { describe, expect, it } from "vitest";
import { parseBundleMaterial } from "../../src/trust/bundle-material.ts";
import { codeOf } from "../support/errors.ts";
import { base64 } from "../support/sigstore/jcs.ts";
import { issueAuthority } from "../support/x509.ts";
import { type Json, make, newWorld } from "./made-bundle.ts";

const world = newWorld();
const made = make(world, { timestamps: [{}] }).material;
const withChange = (change: (material: Json) => unknown): Json => {
  const changed = structuredClone(made);
  change(changed);
  return changed;
};
const chainOf = (...certificates: readonly { readonly der: Buffer }[]) =>
  withChange((material) => {
    const leaf = material.certificate;
    delete material.certificate;
    material.x509CertificateChain = {
      certificates: [leaf, ...certificates.map(({ der }) => ({ rawBytes: base64(der) }))],
    };
  });

describe("parseBundleMaterial", () => {
  it("reads the JSON of protocol buffers: numbers as text or as numbers, null as absent", () => {
    const numbers = withChange(({ tlogEntries: [entry] }) => {
      entry.logIndex = Number(entry.logIndex);
      entry.inclusionProof.treeSize = Number(entry.inclusionProof.treeSize);
    });
    expect(parseBundleMaterial(numbers, "0.3")).toEqual(parseBundleMaterial(made, "0.3"));
    const without = withChange((material) => Object.assign(material, { timestampVerificationData: null }));
    expect(parseBundleMaterial(without, "0.3").timestamps).toEqual([]);
  });

  it("asks each version for what it has to bring along", () => {
    const [promised, proved] = [
      withChange(({ tlogEntries: [entry] }) => delete entry.inclusionProof),
      withChange(({ tlogEntries: [entry] }) => delete entry.inclusionPromise),
    ];
    const codes = (["0.1", "0.2", "0.3"] as const).map((version) => [
      codeOf(() => parseBundleMaterial(promised, version)),
      codeOf(() => parseBundleMaterial(proved, version)),
    ]);
    const refused = "SIGNATURE_MALFORMED";
    expect(codes).toEqual([
      [undefined, refused],
      [refused, undefined],
      [refused, undefined],
    ]);
  });

  it("takes a proof without a checkpoint for none, where a promise is there by its version", () => {
    const bare = withChange(({ tlogEntries: [entry] }) => delete entry.inclusionProof.checkpoint);
    expect(parseBundleMaterial(bare, "0.1").entries[0]?.proof).toBeUndefined();
    expect(codeOf(() => parseBundleMaterial(bare, "0.3"))).toBe("SIGNATURE_MALFORMED");
  });

  it("reads chains up to version 0.2, without roots", () => {
    const [intermediate, root] = world.fulcio.chain;
    if (intermediate === undefined || root === undefined) throw new Error("no chain");
    expect(parseBundleMaterial(chainOf(intermediate), "0.2").intermediates.length).toBe(1);
    expect(codeOf(() => parseBundleMaterial(chainOf(intermediate, root), "0.2"))).toBe("SIGNATURE_MALFORMED");
    expect(codeOf(() => parseBundleMaterial(chainOf(intermediate), "0.3"))).toBe("SIGNATURE_MALFORMED");
    const many = Array.from({ length: 11 }, () => issueAuthority("one"));
    expect(codeOf(() => parseBundleMaterial(chainOf(...many), "0.2"))).toBe("SIGNATURE_MALFORMED");
  });

  it("takes a strange hint for none", () => {
    for (const hint of [undefined, "", "SHA256:jl3b", 7, base64(Buffer.alloc(31))])
      expect(parseBundleMaterial({ publicKey: { hint } }, "0.3").keyHint).toBeUndefined();
    const hint = base64(Buffer.alloc(32, 1));
    expect(parseBundleMaterial({ publicKey: { hint } }, "0.3").keyHint).toBe("01".repeat(32));
  });

  it.each<[string, Json]>([
    ["nothing", undefined],
    ["a list", []],
    ["no signer", { tlogEntries: [] }],
    ["two signers", withChange((material) => Object.assign(material, { publicKey: { hint: "" } }))],
    ["an empty chain", { x509CertificateChain: { certificates: [] } }],
    ["a member that is not known", withChange((material) => Object.assign(material, { tlogentries: [] }))],
    ["snake case", withChange((material) => Object.assign(material, { tlog_entries: [] }))],
    ["an entry that is not known whole", withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { more: 1 }))],
    ["no kind", withChange(({ tlogEntries: [entry] }) => delete entry.kindVersion)],
    ["no body", withChange(({ tlogEntries: [entry] }) => delete entry.canonicalizedBody)],
    ["no log", withChange(({ tlogEntries: [entry] }) => delete entry.logId)],
    ["base64url", withChange(({ tlogEntries: [entry] }) => Object.assign(entry.logId, { keyId: "-_8=" }))],
    ["base64 without padding", withChange(({ tlogEntries: [entry] }) => Object.assign(entry.logId, { keyId: "AAA" }))],
    ["a negative index", withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { logIndex: "-1" }))],
    ["an index in hexadecimal", withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { logIndex: "0x1" }))],
    ["an index with a fraction", withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { logIndex: 1.5 }))],
    [
      "an index beyond int64",
      withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { logIndex: "9223372036854775808" })),
    ],
    [
      "a time beyond all dates",
      withChange(({ tlogEntries: [entry] }) => Object.assign(entry, { integratedTime: "9000000000000" })),
    ],
    [
      "a timestamp as a text",
      withChange(({ timestampVerificationData: data }) => Object.assign(data, { rfc3161Timestamps: ["AAAA"] })),
    ],
  ])("refuses %s", (_, material) => {
    expect(codeOf(() => parseBundleMaterial(material, "0.3"))).toBe("SIGNATURE_MALFORMED");
  });
});
