import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Certificate, describeCertificate, parseCertificate, publicKeyOf } from "../../src/crypto/x509.ts";
import { parseCertificates } from "../../src/crypto/x509-pem.ts";
import { codeOf } from "../support/errors.ts";
import {
  algorithms,
  attribute,
  basicConstraints,
  bits,
  boolean,
  type CertificateSpec,
  codeSigning,
  context,
  directory,
  dns,
  ecKey,
  ed25519Key,
  eku,
  email,
  end,
  extension,
  extensionOids,
  ia5,
  implicit,
  ip,
  issue,
  issueAuthority,
  issueLeaf,
  type KeyPair,
  keyUsage,
  name,
  nothing,
  octets,
  oid,
  otherName,
  parse,
  pssAlgorithm,
  rsaKey,
  san,
  spkiOf,
  start,
  subjectKeyId,
  time,
  uri,
  utf8,
} from "../support/x509.ts";
import { integer, sequence, tlv } from "./der.ts";

const fixtures = join(import.meta.dirname, "../fixtures/x509");
const recorded = readdirSync(fixtures, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".crt"));
const recordedCertificate = (file: string) => {
  const [certificate] = parseCertificates(readFileSync(join(fixtures, file), "utf8"));
  if (certificate === undefined) throw new Error(`${file} holds no certificate`);
  return certificate;
};
const rsa = rsaKey();
const read = (spec: CertificateSpec = {}) => parse(issue(spec));
const withExtensions = (...extensions: readonly Uint8Array[]) => read({ extensions });

describe("a certificate", () => {
  it("is read with everything it says", () => {
    const root = issueAuthority("root", { pathLength: 1 });
    const key = ecKey("P-384");
    const names = [email("ci@example.com"), uri("https://example.com/a"), dns("example.com"), ip(10, 0, 0, 1)];
    const certificate = parse(
      issueLeaf(root, { subject: { C: "US", O: "Acme, Inc.", CN: "signer" }, key, extensions: [san(names)] }),
    );
    expect(certificate).toMatchObject({
      version: 3,
      serial: "1267",
      notBefore: start,
      notAfter: end,
      issuer: { text: "CN=root" },
      subject: { text: "C=US, O=Acme\\, Inc., CN=signer" },
      signatureAlgorithm: { kind: "ecdsa", hash: "sha256" },
      basicConstraints: { ca: false },
      extendedKeyUsage: [codeSigning],
    });
    expect([...(certificate.keyUsage ?? [])]).toEqual(["digitalSignature"]);
    expect(certificate.authorityKeyId).toBe(parse(root).subjectKeyId);
    expect(certificate.subjectAlternativeNames.map(({ type, value }) => `${type}:${value}`)).toEqual([
      "email:ci@example.com",
      "uri:https://example.com/a",
      "dns:example.com",
      "ip:10.0.0.1",
    ]);
    expect(publicKeyOf(certificate)).toMatchObject({ algorithm: "ecdsa-p384", spki: spkiOf(key) });
    expect(parse(root).basicConstraints).toEqual({ ca: true, pathLength: 1 });
  });

  it("keeps the bytes that are signed, its key and its extensions as they stand", () => {
    const der = issue().der;
    const certificate = parseCertificate(der);
    expect(certificate.raw).toEqual(der);
    expect(der.includes(certificate.tbs)).toBe(true);
    expect(certificate.spki).toEqual(spkiOf(issue().key));
    const alternative = certificate.extensions.get(extensionOids.san);
    expect(alternative?.raw).toEqual(san([email("ci@example.com")]));
    expect(alternative?.value).toEqual(sequence(email("ci@example.com")));
  });

  it("does not change when the bytes it came in do", () => {
    const der = Buffer.from(issue().der);
    const certificate = parseCertificate(der);
    const fingerprint = certificate.fingerprint;
    const raw = Buffer.from(certificate.raw);
    der.fill(0);
    expect(certificate.raw).toEqual(raw);
    expect(parseCertificate(certificate.raw).fingerprint).toBe(fingerprint);
  });

  it("may have no extensions, and then be of version 1", () => {
    const certificate = read({ parts: { version: Buffer.alloc(0) }, extensions: [] });
    expect(certificate).toMatchObject({ version: 1, subjectAlternativeNames: [] });
    expect(certificate.basicConstraints).toBeUndefined();
  });

  it("may have a serial number of 0 or of 20 bytes", () => {
    expect(read({ parts: { serial: integer(0n) } }).serial).toBe("00");
    expect(read({ parts: { serial: integer(2n ** 159n - 1n) } }).serial).toBe("7f".padEnd(40, "f"));
    expect(read({ parts: { serial: integer(0x80n) } }).serial).toBe("80");
  });

  it("may name its holder by a critical alternative name alone", () => {
    const certificate = read({
      subject: {},
      extensions: [san([uri("https://example.com")], true)],
      issuer: issueAuthority("ca"),
    });
    expect(certificate.subject.text).toBe("");
    expect(describeCertificate(certificate)).toContain("https://example.com");
  });

  it("may have names of several parts and of every type of string", () => {
    const pair = tlv(0x31, Buffer.concat([attribute("CN", "a"), attribute("OU", "b")]));
    const bmp = tlv(0x31, sequence(oid("2.5.4.10"), tlv(0x1e, Buffer.from("00e9", "hex"))));
    const odd = tlv(0x31, sequence(oid("2.5.4.45"), bits(Buffer.from([5]))));
    const { subject } = read({ parts: { subject: sequence(pair, bmp, odd) } });
    expect(subject.text).toBe("CN=a+OU=b, O=é, 2.5.4.45=\\#03020005");
  });

  it("never shows control or direction-changing characters of a name", () => {
    const { subject } = read({ subject: "a\u001b[31m\n\u202eb\u0000" });
    expect(subject.text).toBe("CN=a\\u{1b}[31m\\u{a}\\u{202e}b\\u{0}");
  });

  it("may have alternative names of kinds that name nobody here", () => {
    const names = [
      directory(name("x")),
      otherName("1.3.6.1.4.1.57264.1.7", utf8("alice!example.com")),
      otherName("1.3.6.1.4.1.311.20.2.3", ia5("bob")),
      implicit(8, Buffer.from([0x2a])),
    ];
    expect(withExtensions(san(names)).subjectAlternativeNames).toMatchObject([
      { type: "directoryName", value: "CN=x" },
      { type: "otherName", oid: "1.3.6.1.4.1.57264.1.7", value: "alice!example.com" },
      { type: "otherName", value: undefined },
      { type: "other" },
    ]);
  });

  it.each([
    ["0000000000000000", "0000000000000001", "::1"],
    ["20010db800000000", "0000000000000000", "2001:db8::"],
    ["20010db800000001", "0001000000000001", "2001:db8:0:1:1::1"],
    ["0001000200030004", "0005000600070008", "1:2:3:4:5:6:7:8"],
    ["0000000200030004", "0005000600070008", "0:2:3:4:5:6:7:8"],
    ["0001000000000004", "0000000000000008", "1:0:0:4::8"],
    ["0000000000000000", "0000000000000000", "::"],
  ])("writes the address %s%s as RFC 5952 does: %s", (high, low, text) => {
    const names = withExtensions(san([ip(...Buffer.from(high + low, "hex"))])).subjectAlternativeNames;
    expect(names[0]?.value).toBe(text);
  });

  it("may have extensions that nobody knows, critical or not; a path decides about them", () => {
    const unknown = withExtensions(extension("1.2.3", Buffer.from("not DER"), true)).extensions.get("1.2.3");
    expect(unknown).toMatchObject({ critical: true, value: Buffer.from("not DER") });
  });

  it("may have a key usage with zero bits at the end", () => {
    const usage = withExtensions(extension(extensionOids.keyUsage, bits(Buffer.from([0x80, 0])))).keyUsage;
    expect([...(usage ?? [])]).toEqual(["digitalSignature"]);
  });

  it.each(Object.entries(algorithms))("is read with a signature of %s", (text, algorithm) => {
    const key: KeyPair = text.startsWith("rsa") ? rsa : text === "ed25519" ? ed25519Key() : ecKey();
    const read = parse(issue({ key, algorithm })).signatureAlgorithm;
    expect(read.kind === "unsupported").toBe(text === "ecdsa-sha1");
    if ("hash" in read) expect(read.hash).toBe(algorithm.hash);
  });

  const without = Buffer.alloc(0);
  const padded = Buffer.concat([Buffer.from([0x02, 0x02, 0x00]), Buffer.from([1])]);
  const notUtc = sequence(tlv(0x17, Buffer.from("260101000000+0000")), time(end));
  const twice = san([email("ci@example.com")]);
  const usageOf = (bytes: Uint8Array, unused = 0) => extension(extensionOids.keyUsage, bits(bytes, unused), true);
  const longer = Buffer.concat([issue().der, Buffer.from([0])]);
  const wrong: Readonly<Record<string, CertificateSpec | Uint8Array>> = {
    "nothing at all": without,
    "bytes behind it": longer,
    "a byte missing": issue().der.subarray(0, -1),
    "itself twice": Buffer.concat([issue().der, issue().der]),
    "more than 64 KiB": issue({ extensions: [extension("1.2.3", Buffer.alloc(66_000))] }).der,
    PEM: Buffer.from("-----BEGIN CERTIFICATE-----"),
    "a field behind the signature": { trailer: nothing },
    "version 1 written out": { parts: { version: context(0, integer(0n)) }, extensions: [] },
    "version 2": { parts: { version: context(0, integer(1n)) } },
    "version 4": { parts: { version: context(0, integer(3n)) } },
    "two versions": { parts: { version: context(0, Buffer.concat([integer(2n), integer(2n)])) } },
    "a version without number": { parts: { version: context(0, without) } },
    "extensions in version 1": { parts: { version: without } },
    "no serial number": { parts: { serial: without } },
    "a negative serial number": { parts: { serial: tlv(0x02, Buffer.from([0x80])) } },
    "a serial number of 21 bytes": { parts: { serial: integer(2n ** 160n) } },
    "a serial number with padding": { parts: { serial: padded } },
    "another algorithm outside": { outerAlgorithm: algorithms["ecdsa-sha384"].der },
    "the same algorithm with parameters outside": { outerAlgorithm: sequence(oid("1.2.840.10045.4.3.2"), nothing) },
    "no issuer": { parts: { issuer: sequence() } },
    "an issuer that is no sequence": { parts: { issuer: tlv(0x31, without) } },
    "an empty part of a name": { parts: { subject: sequence(tlv(0x31, without)) } },
    "a part of a name that is no set": { parts: { subject: sequence(sequence(attribute("CN", "x"))) } },
    "attributes out of order": {
      parts: { subject: sequence(tlv(0x31, Buffer.concat([attribute("OU", "b"), attribute("CN", "a")]))) },
    },
    "an attribute twice": {
      parts: { subject: sequence(tlv(0x31, Buffer.concat([attribute("CN", "a"), attribute("CN", "a")]))) },
    },
    "an attribute without value": { parts: { subject: sequence(tlv(0x31, sequence(oid("2.5.4.3")))) } },
    "an attribute with two values": {
      parts: { subject: sequence(tlv(0x31, sequence(oid("2.5.4.3"), utf8("a"), utf8("b")))) },
    },
    "a common name that is a number": {
      parts: { subject: sequence(tlv(0x31, sequence(oid("2.5.4.3"), integer(1n)))) },
    },
    "a common name that is not UTF-8": {
      parts: { subject: sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x0c, Buffer.from([0xff]))))) },
    },
    "a validity that ends before it starts": { notBefore: end, notAfter: start },
    "a time that is not UTC": { parts: { validity: notUtc } },
    "a validity without end": { parts: { validity: sequence(time(start)) } },
    "three times": { parts: { validity: sequence(time(start), time(end), time(end)) } },
    "no subject and no alternative name": { subject: {}, extensions: [], issuer: issueAuthority("ca") },
    "no subject and an alternative name that is not critical": { subject: {}, issuer: issueAuthority("ca") },
    "an authority without name": {
      subject: {},
      extensions: [basicConstraints(true), san([email("ci@example.com")], true)],
      issuer: issueAuthority("ca"),
    },
    "no key": { parts: { spki: without } },
    "a key that is no sequence": { parts: { spki: octets(without) } },
    "a key with a third field": {
      parts: { spki: sequence(sequence(oid("1.3.101.112")), bits(Buffer.alloc(32)), nothing) },
    },
    "a key with unused bits": { parts: { spki: sequence(sequence(oid("1.3.101.112")), bits(Buffer.alloc(32), 3)) } },
    "unique identifiers": { parts: { extensions: implicit(1, Buffer.from([0, 1])) } },
    "an empty list of extensions": { parts: { extensions: context(3, sequence()) } },
    "two lists of extensions": { parts: { extensions: context(3, Buffer.concat([sequence(twice), sequence(twice)])) } },
    "an extension twice": { extensions: [twice, twice] },
    "an unknown extension twice": { extensions: [extension("1.2.3", without), extension("1.2.3", without, true)] },
    "critical FALSE written out": { extensions: [sequence(oid("1.2.3"), boolean(false), octets(nothing))] },
    "critical as a number": { extensions: [sequence(oid("1.2.3"), integer(1n), octets(nothing))] },
    "an extension without value": { extensions: [sequence(oid("1.2.3"))] },
    "an extension with a fourth field": {
      extensions: [sequence(oid("1.2.3"), boolean(true), octets(nothing), nothing)],
    },
    "an extension whose value is a bit string": { extensions: [sequence(oid("1.2.3"), bits(nothing))] },
    "basic constraints with bytes behind": {
      extensions: [extension(extensionOids.basicConstraints, Buffer.concat([sequence(), nothing]))],
    },
    "CA:FALSE written out": { extensions: [extension(extensionOids.basicConstraints, sequence(boolean(false)))] },
    "a path length without CA": { extensions: [basicConstraints(false, 0)] },
    "a negative path length": {
      extensions: [extension(extensionOids.basicConstraints, sequence(boolean(true), tlv(0x02, Buffer.from([0xff]))))],
    },
    "a huge path length": {
      extensions: [extension(extensionOids.basicConstraints, sequence(boolean(true), integer(2n ** 40n)))],
    },
    "basic constraints in the wrong order": {
      extensions: [extension(extensionOids.basicConstraints, sequence(integer(0n), boolean(true)))],
    },
    "an empty key usage": { extensions: [usageOf(without)] },
    "a key usage of zeros": { extensions: [usageOf(Buffer.from([0]))] },
    "a key usage nobody knows": { extensions: [usageOf(Buffer.from([0x80, 0x40]))] },
    "a key usage with unused bits set": { extensions: [usageOf(Buffer.from([0xff]), 3)] },
    "an empty extended key usage": { extensions: [eku()] },
    "an extended key usage of text": { extensions: [extension(extensionOids.eku, sequence(utf8("codeSigning")))] },
    "no alternative name in the list": { extensions: [san([])] },
    "257 alternative names": { extensions: [san(Array.from({ length: 257 }, () => dns("example.com")))] },
    "an empty e-mail address": { extensions: [san([email("")])] },
    "an e-mail address with a NUL": { extensions: [san([email("ci@example.com\0.evil.com")])] },
    "a URI with a newline": { extensions: [san([uri("https://example.com\n/")])] },
    "a host name that is not ASCII": { extensions: [san([dns("exämple.com")])] },
    "an address of 5 bytes": { extensions: [san([ip(1, 2, 3, 4, 5)])] },
    "an otherName without value": { extensions: [san([context(0, oid("1.2.3"))])] },
    "an otherName with two values": { extensions: [san([otherName("1.2.3", Buffer.concat([nothing, nothing]))])] },
    "an otherName with a newline": { extensions: [san([otherName("1.3.6.1.4.1.57264.1.7", utf8("a\nb"))])] },
    "an alternative name of a kind that does not exist": { extensions: [san([implicit(9, Buffer.from("x"))])] },
    "an e-mail address that is constructed": { extensions: [san([context(1, ia5("a@b"))])] },
    "a directory name that is no name": { extensions: [san([directory(utf8("x"))])] },
    "two directory names in one": { extensions: [san([directory(Buffer.concat([name("x"), name("y")]))])] },
    "an empty key identifier": { extensions: [extension("2.5.29.14", octets(without))] },
    "a key identifier that is text": { extensions: [extension("2.5.29.14", utf8("x"))] },
    "an authority key identifier with issuer alone": {
      extensions: [extension("2.5.29.35", sequence(context(1, directory(name("x")))))],
    },
    "an authority key identifier with an empty serial number": {
      extensions: [extension("2.5.29.35", sequence(context(1, directory(name("x"))), implicit(2, without)))],
    },
    "an authority key identifier out of order": {
      extensions: [extension("2.5.29.35", sequence(implicit(2, Buffer.from([1])), implicit(0, Buffer.from([1]))))],
    },
  };
  it.each(Object.entries(wrong))("is refused with %s", (_, spec) => {
    const der = spec instanceof Uint8Array ? spec : issue(spec).der;
    expect(codeOf(() => parseCertificate(der))).toBe("CERTIFICATE_INVALID");
  });

  it("is refused with CERTIFICATE_INVALID for a signature that is no bit string of whole octets", () => {
    const certificate = parse(issue());
    const build = (signature: Uint8Array) => sequence(certificate.tbs, algorithms["ecdsa-sha256"].der, signature);
    expect(codeOf(() => parseCertificate(build(bits(certificate.signature))))).toBeUndefined();
    expect(codeOf(() => parseCertificate(build(bits(Buffer.from([0xf0]), 4))))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => parseCertificate(build(octets(certificate.signature))))).toBe("CERTIFICATE_INVALID");
  });
});

describe("the key of a certificate", () => {
  it.each([
    ["ecdsa-p256", ecKey()],
    ["ecdsa-p384", ecKey("P-384")],
    ["ecdsa-p521", ecKey("P-521")],
    ["ed25519", ed25519Key()],
    ["rsa", rsa],
  ] as const)("is read: %s", (algorithm, key) => {
    const certificate = read({ key });
    expect(publicKeyOf(certificate).algorithm).toBe(algorithm);
    expect(publicKeyOf(certificate)).toBe(publicKeyOf(certificate));
  });

  const point = spkiOf(ecKey()).subarray(-65);
  const ec = (...parameters: readonly Uint8Array[]) => sequence(oid("1.2.840.10045.2.1"), ...parameters);
  const wrong: Readonly<Record<string, Uint8Array>> = {
    "RSA of 1024 bits": spkiOf(rsaKey(1024)),
    "the curve secp256k1": spkiOf(ecKey("secp256k1")),
    "a curve by its numbers": sequence(ec(sequence(integer(1n))), bits(point)),
    "a curve that is missing": sequence(ec(), bits(point)),
    "a curve and a NULL": sequence(ec(oid("1.2.840.10045.3.1.7"), nothing), bits(point)),
    "a point that is not on the curve": sequence(ec(oid("1.2.840.10045.3.1.7")), bits(Buffer.alloc(65, 4))),
    "a point cut short": sequence(ec(oid("1.2.840.10045.3.1.7")), bits(point.subarray(0, 40))),
    "RSA without NULL": sequence(
      sequence(oid("1.2.840.113549.1.1.1")),
      bits(sequence(integer(2n ** 2048n - 1n), integer(3n))),
    ),
    "RSA numbers that are text": sequence(sequence(oid("1.2.840.113549.1.1.1"), nothing), bits(utf8("x"))),
    "Ed25519 with parameters": sequence(sequence(oid("1.3.101.112"), nothing), bits(Buffer.alloc(32, 1))),
    X25519: sequence(sequence(oid("1.3.101.110")), bits(Buffer.alloc(32, 1))),
    DSA: sequence(sequence(oid("1.2.840.10040.4.1")), bits(integer(5n))),
    "a kind nobody knows": sequence(sequence(oid("1.2.3")), bits(integer(5n))),
  };
  it.each(Object.entries(wrong))("is refused when it is %s, and the certificate is still read", (_, spki) => {
    const certificate = read({ parts: { spki } });
    expect(codeOf(() => publicKeyOf(certificate))).toBe("CERTIFICATE_INVALID");
  });
});

describe("a signature algorithm", () => {
  const read = (...fields: readonly Uint8Array[]) => {
    const algorithm = sequence(...fields);
    return parse(issue({ key: rsa, parts: { algorithm }, outerAlgorithm: algorithm })).signatureAlgorithm;
  };
  const ecdsa = oid("1.2.840.10045.4.3.2");
  const rsaSha256 = oid("1.2.840.113549.1.1.11");

  it("has NULL as parameters if it is RSA, which may also be absent, and none if it is another", () => {
    expect(read(rsaSha256, nothing)).toEqual({ kind: "rsa-pkcs1", hash: "sha256" });
    expect(read(rsaSha256)).toEqual({ kind: "rsa-pkcs1", hash: "sha256" });
    expect(read(ecdsa)).toEqual({ kind: "ecdsa", hash: "sha256" });
    expect(read(ecdsa, nothing)).toEqual({ kind: "unsupported", oid: "1.2.840.10045.4.3.2" });
    expect(read(oid("1.3.101.112"), nothing).kind).toBe("unsupported");
  });

  it("is refused with other parameters", () => {
    expect(codeOf(() => read(ecdsa, sequence()))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => read(rsaSha256, sequence()))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => read(rsaSha256, nothing, nothing))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => read(utf8("ecdsa")))).toBe("CERTIFICATE_INVALID");
  });

  it("may be any other one, which is never valid", () => {
    expect(read(oid("1.2.3"), sequence(), nothing)).toEqual({ kind: "unsupported", oid: "1.2.3" });
  });
});

describe("RSASSA-PSS parameters", () => {
  const kindOf = (algorithm: Uint8Array) =>
    parse(issue({ key: rsa, parts: { algorithm }, outerAlgorithm: algorithm })).signatureAlgorithm.kind;
  const pss = (...parameters: readonly Uint8Array[]) => sequence(oid("1.2.840.113549.1.1.10"), ...parameters);

  it("are supported with one SHA-2 hash and a salt of its length, and with nothing else", () => {
    expect(kindOf(pssAlgorithm(1, 1, 32))).toBe("rsa-pss");
    expect(kindOf(pssAlgorithm(1, 2, 32))).toBe("unsupported");
    expect(kindOf(pssAlgorithm(1, 1, 20))).toBe("unsupported");
    expect(kindOf(pssAlgorithm(1, 1, 0))).toBe("unsupported");
    expect(kindOf(pssAlgorithm(1, 1, 222))).toBe("unsupported");
    expect(kindOf(pssAlgorithm(4, 4, 28))).toBe("unsupported");
    expect(kindOf(pss())).toBe("unsupported");
    expect(kindOf(pss(sequence()))).toBe("unsupported");
    expect(kindOf(pss(nothing))).toBe("unsupported");
  });

  it("are refused with a field too many", () => {
    const trailer = sequence(context(3, integer(1n)));
    expect(codeOf(() => kindOf(pss(trailer)))).toBe("CERTIFICATE_INVALID");
  });
});

describe("bytes that a stranger sent", () => {
  const { der } = issueLeaf(issueAuthority("root"));
  const place = fc.nat(der.length - 1);

  it("are a certificate or refused, and nothing else happens", () => {
    const wrapped = fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => sequence(sequence(bytes), sequence(), bits(bytes)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), wrapped), (bytes) => {
        expect(codeOf(() => parseCertificate(bytes))).toBe("CERTIFICATE_INVALID");
      }),
      { numRuns: 2000 },
    );
  });

  it("are a certificate or refused when they stand in any part of one", () => {
    const part = fc.constantFrom("serial", "algorithm", "issuer", "validity", "subject", "spki", "extensions");
    const value = fc.uint8Array({ maxLength: 60 });
    const shaped = fc.tuple(fc.constantFrom(0x02, 0x30, 0x31, 0xa3), value).map(([tag, bytes]) => tlv(tag, bytes));
    fc.assert(
      fc.property(part, fc.oneof(value, shaped), (key, bytes) => {
        codeOf(() => publicKeyOf(parse(issue({ parts: { [key]: bytes } }))));
      }),
      { numRuns: 1000 },
    );
  });

  it("mean to Node what they mean here, if they are read at all", () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 3 }), (changes) => {
        const changed = Buffer.from(der);
        for (const [at, value] of changes) changed[at] = value;
        if (codeOf(() => parseCertificate(changed)) !== undefined) return;
        const certificate = parseCertificate(changed);
        // Node reads keys early, here they are read when they are used.
        if (codeOf(() => publicKeyOf(certificate)) !== undefined) return;
        read++;
        const other = new X509Certificate(changed);
        expect(certificate.raw).toEqual(other.raw);
        expect(certificate.notBefore).toBe(other.validFromDate.getTime());
        expect(certificate.notAfter).toBe(other.validToDate.getTime());
        expect(certificate.basicConstraints?.ca ?? false).toBe(other.ca);
        expect(certificate.extendedKeyUsage).toEqual(other.keyUsage);
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});

describe("recorded certificates", () => {
  it("are there", () => {
    expect(recorded.length).toBeGreaterThan(15);
  });

  it.each(recorded)("%s is read as Node reads it", (file) => {
    expectSameAsNode(recordedCertificate(file));
  });

  it("keep what Fulcio writes", () => {
    const certificate = recordedCertificate("keyless/email-cosign3.crt");
    expect(certificate.subject.rdns).toEqual([]);
    expect(certificate.subjectAlternativeNames).toMatchObject([{ type: "email", value: "alice@example.com" }]);
    expect(certificate.extensions.get("1.3.6.1.4.1.57264.1.8")?.value).toEqual(utf8("https://issuer.example.com"));
    expect(certificate.extensions.has("1.3.6.1.4.1.11129.2.4.2")).toBe(true);
  });
});

describe("certificates made here", () => {
  it("are read as Node reads them", () => {
    const root = issueAuthority("root", { key: rsa });
    expectSameAsNode(parse(root));
    expectSameAsNode(parse(issueLeaf(root, { key: ecKey("P-521") })));
    expectSameAsNode(parse(issueAuthority("int", { issuer: root, key: ed25519Key(), pathLength: 3 })));
    expectSameAsNode(
      parse(issue({ extensions: [keyUsage(0, 1, 8), subjectKeyId(rsa)], notAfter: Date.UTC(2150, 5, 6) })),
    );
  });
});

function expectSameAsNode(certificate: Certificate): void {
  const other = new X509Certificate(certificate.raw);
  expect(certificate.fingerprint).toBe(other.fingerprint256.replaceAll(":", "").toLowerCase());
  expect(certificate.serial.padStart(2, "0")).toBe(other.serialNumber.toLowerCase().padStart(2, "0"));
  expect(certificate.notBefore).toBe(other.validFromDate.getTime());
  expect(certificate.notAfter).toBe(other.validToDate.getTime());
  expect(certificate.spki).toEqual(other.publicKey.export({ type: "spki", format: "der" }));
  expect(certificate.basicConstraints?.ca ?? false).toBe(other.ca);
  // Node calls the extended key usage `keyUsage`.
  expect(certificate.extendedKeyUsage).toEqual(other.keyUsage);
  const valuesOf = (text = "") => text.split("\n").map((line) => line.slice(line.indexOf("=") + 1));
  expect(certificate.subject.rdns.flat().map(({ value }) => value)).toEqual(
    other.subject ? valuesOf(other.subject) : [],
  );
  expect(certificate.issuer.rdns.flat().map(({ value }) => value)).toEqual(valuesOf(other.issuer));
  const prefixes: Readonly<Record<string, string>> = { email: "email:", uri: "URI:", dns: "DNS:", ip: "IP Address:" };
  const names = certificate.subjectAlternativeNames.map(({ type, value }) => `${prefixes[type]}${value}`);
  expect(names.join(", ")).toBe(other.subjectAltName ?? "");
}
