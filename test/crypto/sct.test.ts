import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { isSctSignedBy, precertificateEntry, readScts } from "../../src/crypto/sct.ts";
import { parseCertificate } from "../../src/crypto/x509.ts";
import { codeOf } from "../support/errors.ts";
import { createAuthority, issueIdentity } from "../support/sigstore/authority.ts";
import { githubClaims } from "../support/sigstore/claims.ts";
import { sct, sctExtension, sctList, tbsOf } from "../support/sigstore/ct-log.ts";
import { logKey } from "../support/sigstore/log-key.ts";
import { codeSigning, ecKey, extension, issue, octets, parse, rsaKey, start } from "../support/x509.ts";

const authority = createAuthority({
  organization: "test",
  commonName: "ca",
  newKey: ecKey,
  notBefore: start,
  purpose: codeSigning,
});
const issuer = parse(authority.issuer);
const log = logKey("ct.test", ecKey());
const leafWith = (spec: Partial<Parameters<typeof issueIdentity>[0]> = {}) =>
  parse(issueIdentity({ authority, key: ecKey(), claims: githubClaims(), at: start, logs: [log], ...spec }));
const keyOf = (of: typeof log) => toPublicKey(of.publicKey);

describe("SCTs", () => {
  it.each([
    ["ECDSA", log],
    ["RSA", logKey("rsa.test", rsaKey())],
  ])("are verified over the certificate without them: %s", async (_, by) => {
    const leaf = leafWith({ logs: [by] });
    const [first, second] = readScts(leaf);
    expect(second).toBeUndefined();
    if (first === undefined) throw new Error("no SCT");
    expect(first).toMatchObject({ logId: by.logId, at: start });
    const entry = precertificateEntry(leaf, issuer);
    expect(await isSctSignedBy(first, keyOf(by), entry)).toBe(true);
    expect(await isSctSignedBy(first, keyOf(logKey("ct.test", ecKey())), entry)).toBe(false);
    expect(await isSctSignedBy({ ...first, at: first.at + 1 }, keyOf(by), entry)).toBe(false);
    expect(await isSctSignedBy({ ...first, extensions: Buffer.of(1) }, keyOf(by), entry)).toBe(false);
    expect(await isSctSignedBy(first, keyOf(by), precertificateEntry(leafWith(), issuer))).toBe(false);
    expect(await isSctSignedBy(first, keyOf(by), precertificateEntry(leaf, leaf))).toBe(false);
  });

  it("leave the very bytes that were there before them", () => {
    const key = ecKey();
    // Lengths of every number of octets, as the certificate grows.
    for (const length of [1, 100, 300, 40_000]) {
      const extensions = [extension("1.2.3", octets(Buffer.alloc(length)))];
      const before = issue({ key, issuer: authority.issuer, extensions });
      const made = sctList([sct({ log, at: start, issuer: authority.issuer, tbs: tbsOf(before) })]);
      for (const all of [
        [...extensions, extension(sctExtension, made)],
        [extension(sctExtension, made), ...extensions],
      ]) {
        const after = parse(issue({ key, issuer: authority.issuer, extensions: all }));
        expect(precertificateEntry(after, issuer).subarray(35)).toEqual(tbsOf(before));
      }
    }
  });

  it("may be the only extension", () => {
    const alone = issue({
      issuer: authority.issuer,
      extensions: [extension(sctExtension, sctList([Buffer.alloc(50)]))],
    });
    const none = issue({ issuer: authority.issuer, extensions: [] });
    // Without extensions it would be of version 1; the version stays as it stands.
    const entry = precertificateEntry(parse(alone), issuer).subarray(35);
    expect(entry.length).toBe(tbsOf(none).length);
  });

  it("are none where the extension is absent", () => {
    expect(readScts(parse(issue()))).toEqual([]);
  });

  const good = sct({ log, at: start, issuer: authority.issuer, tbs: Buffer.alloc(9) });
  const changed = (at: number, value: number) => Buffer.from(good.map((byte, i) => (i === at ? value : byte)));
  it.each<[string, Uint8Array]>([
    ["an empty list", sctList([])],
    ["an empty SCT", sctList([Buffer.of()])],
    ["another version", sctList([changed(0, 1)])],
    ["SHA-1", sctList([changed(43, 2)])],
    ["a signature of another kind", sctList([changed(44, 2)])],
    ["a time that cannot be", sctList([changed(33, 0xff)])],
    ["a cut", sctList([good.subarray(0, -1)])],
    ["a byte more", sctList([Buffer.concat([good, Buffer.of(0)])])],
    ["a byte after the list", octets(Buffer.concat([sctList([good]).subarray(2), Buffer.of(0)]))],
    ["too many", sctList(Array.from({ length: 33 }, () => good))],
    ["no OCTET STRING inside", sctList([good]).subarray(2)],
  ])("refuses %s", (_, value) => {
    expect(codeOf(() => readScts(parse(issue({ extensions: [extension(sctExtension, value)] }))))).toBe("SCT_INVALID");
  });

  it("with one byte changed are refused, or signed by nobody", async () => {
    const leaf = leafWith();
    const { value } = leaf.extensions.get(sctExtension) ?? { value: Buffer.of() };
    const offset = leaf.raw.indexOf(value);
    await fc.assert(
      fc.asyncProperty(fc.nat(value.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const raw = Buffer.from(leaf.raw);
        raw[offset + at] = (raw[offset + at] ?? 0) ^ mask;
        let scts: ReturnType<typeof readScts> = [];
        const other = parseCertificate(raw);
        const code = codeOf(() => {
          scts = readScts(other);
        });
        if (code !== undefined) expect(code).toBe("SCT_INVALID");
        for (const one of scts) {
          const isKnown = one.logId.equals(log.logId);
          const isSigned = await isSctSignedBy(one, keyOf(log), precertificateEntry(other, issuer));
          expect(isKnown && isSigned).toBe(false);
        }
      }),
    );
  });
});
