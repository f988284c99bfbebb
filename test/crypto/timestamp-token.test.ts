import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDer } from "../../src/crypto/der.ts";
import { derGeneralizedTime } from "../../src/crypto/der-generalized-time.ts";
import { checkTokenSigner, parseTimestampResponse, parseTimestampToken } from "../../src/crypto/timestamp-token.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";
import { createAuthority, issueTimestamper, timeStamping } from "../support/sigstore/authority.ts";
import { type TimestampSpec, timestampResponse, timestampToken } from "../support/sigstore/timestamp.ts";
import { boolean, context, ecKey, extension, implicit, octets, oid, parse, rsaKey, start } from "../support/x509.ts";
import { integer, sequence, tlv } from "./der.ts";

const authority = createAuthority({
  organization: "test",
  commonName: "tsa",
  newKey: ecKey,
  notBefore: start,
  purpose: timeStamping,
});
const signer = issueTimestamper(authority, ecKey(), start);
const imprint = hash("sha256", "signature", "buffer");
const specOf = (spec: Partial<TimestampSpec> = {}): TimestampSpec => ({
  hash: "sha256",
  imprint,
  authority,
  signer,
  at: start + 5000,
  ...spec,
});
const withInfo = (change: (fields: Buffer[]) => readonly Buffer[]) =>
  timestampResponse(specOf({ info: (fields) => change([...fields]) }));

describe("time-stamp tokens", () => {
  it.each<[string, Partial<TimestampSpec>]>([
    ["ECDSA with SHA-256", {}],
    ["ECDSA with SHA-384", { digest: "sha384" }],
    ["ECDSA with SHA-512", { digest: "sha512" }],
    ["RSA with SHA-256", { signer: issueTimestamper(authority, rsaKey(), start) }],
    ["RSA with SHA-512", { signer: issueTimestamper(authority, rsaKey(), start), digest: "sha512" }],
    ["P-384", { signer: issueTimestamper(authority, ecKey("P-384"), start), digest: "sha384" }],
    ["certificates inside", { certificates: true }],
  ])("are read and proved: %s", async (_, spec) => {
    const token = parseTimestampResponse(timestampResponse(specOf(spec)));
    expect(token).toMatchObject({ imprint: { hash: "sha256", digest: imprint }, at: start + 5000, accuracy: 1000 });
    expect(token.signedData.certificates.length).toBe(spec.certificates ? 2 : 0);
    await checkTokenSigner(token, parse(spec.signer ?? signer));
  });

  it("are read bare, as Notation keeps them", async () => {
    await checkTokenSigner(parseTimestampToken(timestampToken(specOf())), parse(signer));
    expect(codeOf(() => parseTimestampToken(timestampResponse(specOf())))).toBe("TIMESTAMP_INVALID");
    expect(codeOf(() => parseTimestampResponse(timestampToken(specOf())))).toBe("TIMESTAMP_INVALID");
  });

  it("are proved as openssl makes them", async () => {
    const read = (name: string) => readFileSync(new URL(`../fixtures/sigstore/${name}`, import.meta.url), "utf8");
    const bundle = JSON.parse(read("cosign3-keyless-rekor2.json"));
    const [stamp] = bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps;
    const token = parseTimestampResponse(Buffer.from(stamp.signedTimestamp, "base64"));
    expect(new Date(token.at).toISOString()).toBe("2026-11-20T23:26:14.000Z");
    const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, "base64");
    expect(token.imprint.digest).toEqual(hash("sha256", signature, "buffer"));
  });

  it("name the certificate of their signer, by number and by hash", async () => {
    const token = parseTimestampResponse(timestampResponse(specOf()));
    const other = issueTimestamper(authority, ecKey(), start);
    const sameKey = issueTimestamper(authority, signer.key, start);
    for (const certificate of [other, sameKey, authority.issuer])
      expect(await codeOfRejection(checkTokenSigner(token, parse(certificate)))).toBe("TIMESTAMP_INVALID");
  });

  it.each<[string, Buffer]>([
    ["a refusal", sequence(sequence(integer(2n)))],
    ["a refusal with a token", sequence(sequence(integer(2n)), timestampToken(specOf()))],
    ["no token", sequence(sequence(integer(0n)))],
    ["bytes behind the response", Buffer.concat([timestampResponse(specOf()), Buffer.of(0)])],
    ["another version", withInfo(([, ...rest]) => [integer(2n), ...rest])],
    [
      "an imprint in SHA-1",
      withInfo((all) => all.with(2, sequence(sequence(oid("1.3.14.3.2.26")), octets(Buffer.alloc(20))))),
    ],
    ["no time", withInfo((all) => all.toSpliced(4, 1))],
    ["a UTCTime", withInfo((all) => all.with(4, tlv(0x17, Buffer.from("260101000000Z"))))],
    [
      "an accuracy of more than 999 milliseconds",
      withInfo((all) => all.with(5, sequence(integer(1n), implicit(0, Buffer.of(0x03, 0xe8))))),
    ],
    ["a negative accuracy", withInfo((all) => all.with(5, sequence(integer(1n), implicit(0, Buffer.of(0xff)))))],
    ["a critical extension", withInfo((all) => [...all, context(1, extension("1.2.3", octets(Buffer.of()), true))])],
    ["a field more", withInfo((all) => [...all, boolean(true), boolean(true)])],
    ["kilobytes of serial number", withInfo((all) => all.with(3, integer(2n ** 400n)))],
    ["no content", Buffer.of()],
    ["a megabyte", Buffer.alloc(1_000_000, 0x30)],
  ])("refuses %s", (_, response) => {
    expect(codeOf(() => parseTimestampResponse(response))).toBe("TIMESTAMP_INVALID");
  });

  it("bears extensions that are not critical, and a nonce", () => {
    const more = withInfo((all) => [...all, integer(77n), context(1, extension("1.2.3", octets(Buffer.of())))]);
    expect(parseTimestampResponse(more).at).toBe(start + 5000);
  });

  it("with one byte changed say the same, or are refused", async () => {
    const original = timestampResponse(specOf({ certificates: true }));
    const certificate = parse(signer);
    const { at, imprint: before } = parseTimestampResponse(original);
    await fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (place, mask) => {
        const changed = Buffer.from(original);
        changed[place] = (changed[place] ?? 0) ^ mask;
        try {
          const token = parseTimestampResponse(changed);
          await checkTokenSigner(token, certificate);
          expect([token.at, token.imprint]).toEqual([at, before]);
        } catch (error) {
          expect(error).toMatchObject({ name: "TrustError" });
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe("derGeneralizedTime", () => {
  const read = (text: string) =>
    derGeneralizedTime(parseDer(tlv(0x18, Buffer.from(text)), { what: "it", code: "TIMESTAMP_INVALID", maxBytes: 99 }));

  it("reads seconds and parts of them", () => {
    expect(read("20260101000005Z")).toBe(Date.UTC(2026, 0, 1, 0, 0, 5));
    expect(read("20260101000005.25Z")).toBe(Date.UTC(2026, 0, 1, 0, 0, 5, 250));
    expect(read("99991231235959.999999999Z")).toBeGreaterThan(Date.UTC(9999, 11, 31, 23, 59, 59));
  });

  it.each([
    "20260230000000Z",
    "20261301000000Z",
    "20260101240000Z",
    "20260101000060Z",
    "20260101000005",
    "20260101000005+0100",
    "20260101000005.Z",
    "20260101000005.50Z",
    "20260101000005,5Z",
    "202601010000Z",
    "00010101000000Z",
    "20260101000005Z\n",
  ])("refuses %j", (text) => {
    expect(codeOf(() => read(text))).toBe("TIMESTAMP_INVALID");
  });
});
