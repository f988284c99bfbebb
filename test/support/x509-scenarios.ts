import type { ErrorCode } from "../../src/errors.ts";
import { sequence, tlv } from "../crypto/der.ts";
import {
  algorithms,
  attribute,
  authorityKeyId,
  basicConstraints,
  codeSigning,
  directory,
  dns,
  ecKey,
  ed25519Key,
  eku,
  email,
  end,
  extension,
  type Issued,
  implicit,
  ip,
  issue,
  issueAuthority,
  issueLeaf,
  keyUsage,
  middle,
  name,
  nameConstraints,
  rsaKey,
  san,
  start,
  subjectKeyId,
  uri,
} from "./x509.ts";

/** One leaf and what a path may be built from; what verifyPath says, and what openssl says where that differs. */
export interface Scenario {
  readonly leaf: Issued;
  readonly intermediates?: readonly Issued[];
  readonly roots: readonly Issued[];
  readonly at?: number;
  /** Undefined: accepted. */
  readonly refused?: ErrorCode;
  /** What `openssl verify -x509_strict` says, where it differs, and why. */
  readonly openssl?: { readonly accepts: boolean; readonly because: string };
}

const stricter = (because: string) => ({ openssl: { accepts: true, because } });
const laxer = (because: string) => ({ openssl: { accepts: false, because } });

export const timeStamping = "1.3.6.1.5.5.7.3.8";
const anyPurpose = "2.5.29.37.0";
const rsa = rsaKey();
const rsa3072 = rsaKey(3072);
const root = issueAuthority("root");
const int = issueAuthority("int", { issuer: root, pathLength: 0 });
const otherRoot = issueAuthority("root");
const plain = { leaf: issueLeaf(int), intermediates: [int], roots: [root] };
const belowLeaf = issueLeaf(plain.leaf, { subject: "below", key: ecKey() });
const invalid = { refused: "CERTIFICATE_INVALID" } as const;
const untrusted = { refused: "CERTIFICATE_UNTRUSTED" } as const;
const expired = { refused: "CERTIFICATE_EXPIRED" } as const;

function line(depth: number): Scenario {
  const authorities = [root];
  for (let level = 1; level < depth; level++)
    authorities.push(issueAuthority(`int ${level}`, { issuer: authorities.at(-1) }));
  return { leaf: issueLeaf(authorities.at(-1) ?? root), intermediates: authorities.slice(1), roots: [root] };
}

/** A leaf under an authority with other extensions than usual. */
function under(extensions: readonly Uint8Array[], spec: Parameters<typeof issueLeaf>[1] = {}): Scenario {
  const key = ecKey();
  const authority = issue({
    subject: "int",
    key,
    issuer: root,
    extensions: [...extensions, subjectKeyId(key), authorityKeyId(root.key)],
  });
  return { leaf: issueLeaf(authority, spec), intermediates: [authority], roots: [root] };
}

/** A leaf with other extensions than usual. */
function leafWith(...extensions: readonly Uint8Array[]): Scenario {
  const key = ecKey();
  const leaf = issue({ key, issuer: int, extensions: [...extensions, subjectKeyId(key), authorityKeyId(int.key)] });
  return { ...plain, leaf };
}

function signedBy(key: typeof rsa, algorithm: (typeof algorithms)[keyof typeof algorithms]): Scenario {
  const authority = issueAuthority("ca", { key, algorithm });
  return { leaf: issueLeaf(authority, { algorithm }), roots: [authority] };
}

/** A leaf with these names under an authority with name constraints. */
function constrained(
  permitted: readonly Uint8Array[],
  excluded: readonly Uint8Array[],
  names: readonly Uint8Array[],
  subject: Parameters<typeof name>[0] = "leaf",
): Scenario {
  const authority = issueAuthority("int", { issuer: root, extensions: [nameConstraints(permitted, excluded)] });
  const extensions = names.length === 0 ? [] : [san(names)];
  return { leaf: issueLeaf(authority, { subject, extensions }), intermediates: [authority], roots: [root] };
}

const ca = [basicConstraints(true), keyUsage(5, 6)];
const good = [basicConstraints(false), keyUsage(0), eku(codeSigning), san([email("ci@example.com")])];
const acme = tlv(0x31, attribute("O", "Acme"));

export const scenarios: Readonly<Record<string, Scenario>> = {
  "a leaf, an intermediate and a root": plain,
  "a leaf directly under a root": { leaf: issueLeaf(root), roots: [root] },
  "intermediates in any order, among others": { ...plain, intermediates: [otherRoot, issueAuthority("x"), int, int] },
  "a root among the intermediates": { ...plain, intermediates: [root, int] },
  "a root of the same name first": { ...plain, roots: [otherRoot, root] },
  "an intermediate as the anchor": { leaf: plain.leaf, roots: [int] },
  "the leaf itself as the anchor": { leaf: plain.leaf, roots: [plain.leaf] },
  "no root": { ...plain, roots: [], ...untrusted },
  "a root of the same name with another key": { ...plain, roots: [otherRoot], ...untrusted },
  "no intermediate": { ...plain, intermediates: [], ...untrusted },
  "an intermediate of another name": {
    ...plain,
    intermediates: [issueAuthority("other", { issuer: root })],
    ...untrusted,
  },
  "an intermediate of the same name with another key": {
    ...plain,
    intermediates: [issueAuthority("int", { issuer: root })],
    ...untrusted,
  },
  "a false intermediate beside the true one": {
    ...plain,
    intermediates: [issueAuthority("int", { issuer: root }), int],
  },
  "an intermediate signed by a false root": {
    ...plain,
    intermediates: [issueAuthority("int", { issuer: otherRoot, key: int.key })],
    ...untrusted,
  },
  "a self-signed intermediate that nobody trusts": {
    ...plain,
    intermediates: [issueAuthority("int", { key: int.key })],
    ...untrusted,
  },
  "a self-signed leaf that nobody trusts": {
    leaf: issueLeaf({ subject: name("leaf"), key: ecKey() }),
    roots: [root],
    ...untrusted,
  },
  "a leaf whose signature is changed": {
    ...plain,
    leaf: issueLeaf(int, {
      signature: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]),
    }),
    ...untrusted,
  },
  "a leaf without signature": { ...plain, leaf: issueLeaf(int, { signature: () => Buffer.alloc(0) }), ...untrusted },
  "a leaf signed by its own key": { ...plain, leaf: issueLeaf({ subject: int.subject, key: ecKey() }), ...untrusted },
  "a name that differs only in case": {
    ...plain,
    leaf: issueLeaf({ subject: name("INT"), key: int.key }),
    ...untrusted,
    ...stricter("openssl compares names without case"),
  },

  "the first moment": { ...plain, at: start },
  "the last moment": { ...plain, at: end, ...laxer("openssl counts it as over; RFC 5280 as within") },
  "a moment too early": { ...plain, at: start - 1000, ...expired },
  "a moment too late": { ...plain, at: end + 1000, ...expired },
  "a leaf that is not valid yet": { ...plain, leaf: issueLeaf(int, { notBefore: middle + 1000 }), ...expired },
  "a leaf that is not valid any more": { ...plain, leaf: issueLeaf(int, { notAfter: middle - 1000 }), ...expired },
  "an intermediate that is not valid any more": {
    ...plain,
    intermediates: [issueAuthority("int", { issuer: root, key: int.key, notAfter: middle - 1000 })],
    ...expired,
  },
  "a root that is not valid any more": {
    ...plain,
    roots: [issueAuthority("root", { key: root.key, notAfter: middle - 1000 })],
    ...expired,
  },
  "an expired intermediate beside its renewal": {
    ...plain,
    intermediates: [issueAuthority("int", { issuer: root, key: int.key, notAfter: middle - 1000 }), int],
  },
  "an expired root beside its renewal": {
    ...plain,
    roots: [issueAuthority("root", { key: root.key, notAfter: middle - 1000 }), root],
  },

  "an authority without basic constraints": { ...under([keyUsage(5)]), ...invalid },
  "an authority with CA:FALSE": { ...under([basicConstraints(false), keyUsage(5)]), ...invalid },
  "an authority that may not sign certificates": { ...under([basicConstraints(true), keyUsage(0, 6)]), ...invalid },
  "an authority of version 1": {
    leaf: issueLeaf({ subject: name("int"), key: int.key }),
    intermediates: [
      issue({ subject: "int", key: int.key, issuer: root, extensions: [], parts: { version: Buffer.alloc(0) } }),
    ],
    roots: [root],
    ...invalid,
  },
  "a leaf as authority": { leaf: belowLeaf, intermediates: [plain.leaf, int], roots: [root], ...invalid },
  "a leaf as authority and as root": { leaf: belowLeaf, roots: [plain.leaf], ...invalid },
  "an authority without key usage": {
    ...under([basicConstraints(true)]),
    ...laxer("-x509_strict wants key usage in authorities"),
  },
  "basic constraints that are not critical": {
    ...under([basicConstraints(true, undefined, false), keyUsage(5)]),
    ...laxer("-x509_strict wants them critical"),
  },
  "an authority with a critical extension nobody knows": {
    ...under([...ca, extension("1.2.3", Buffer.from("x"), true)]),
    ...invalid,
  },
  "an authority with an extension nobody knows": under([...ca, extension("1.2.3", Buffer.from("x"))]),
  "an authority with critical policy constraints": {
    ...under([...ca, extension("2.5.29.36", sequence(implicit(0, Buffer.from([0]))), true)]),
    ...invalid,
    ...stricter("openssl knows policies"),
  },
  "an authority with critical policies": {
    ...under([...ca, extension("2.5.29.32", sequence(sequence(Buffer.from("0603550403", "hex"))), true)]),
    ...invalid,
    ...stricter("openssl knows policies"),
  },

  "a path length that is kept": line(3),
  "a path length of 0 with a second intermediate": {
    ...(() => {
      const zero = issueAuthority("zero", { issuer: root, pathLength: 0 });
      const one = issueAuthority("one", { issuer: zero });
      return { leaf: issueLeaf(one), intermediates: [one, zero], roots: [root] };
    })(),
    ...invalid,
  },
  "a path length in the root that is too short": {
    ...(() => {
      const short = issueAuthority("short", { pathLength: 0 });
      const one = issueAuthority("one", { issuer: short });
      return { leaf: issueLeaf(one), intermediates: [one], roots: [short] };
    })(),
    ...invalid,
  },
  "a path length with a self-issued certificate, which does not count": (() => {
    const zero = issueAuthority("zero", { issuer: root, pathLength: 0 });
    const next = issueAuthority("zero", { issuer: zero });
    return { leaf: issueLeaf(next), intermediates: [next, zero], roots: [root] };
  })(),
  "eight authorities": line(8),
  "nine authorities": { ...line(9), ...untrusted, ...stricter("openssl allows a hundred") },
  "two authorities that certify each other": {
    ...(() => {
      const [one, two] = [ecKey(), ecKey()];
      const a = issueAuthority("a", { key: one, issuer: { subject: name("b"), key: two } });
      const b = issueAuthority("b", { key: two, issuer: { subject: name("a"), key: one } });
      return { leaf: issueLeaf(a), intermediates: [a, b], roots: [root] };
    })(),
    ...untrusted,
  },
  "two authorities that certify each other, one of them by the root, too": (() => {
    const [one, two] = [ecKey(), ecKey()];
    const a = issueAuthority("a", { key: one, issuer: { subject: name("b"), key: two } });
    const b = issueAuthority("b", { key: two, issuer: { subject: name("a"), key: one } });
    return {
      leaf: issueLeaf(a),
      intermediates: [a, b, issueAuthority("b", { key: two, issuer: root })],
      roots: [root],
      ...laxer("openssl builds one chain only"),
    };
  })(),

  "a leaf without extended key usage": {
    ...leafWith(basicConstraints(false), keyUsage(0)),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a leaf for timestamps": {
    ...leafWith(basicConstraints(false), keyUsage(0), eku(timeStamping)),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a leaf for any purpose": {
    ...leafWith(basicConstraints(false), keyUsage(0), eku(anyPurpose)),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a leaf for code and something else": leafWith(basicConstraints(false), keyUsage(0), eku("1.2.3", codeSigning)),
  "a leaf that may only encipher keys": {
    ...leafWith(basicConstraints(false), keyUsage(2), eku(codeSigning)),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a leaf without key usage": leafWith(basicConstraints(false), eku(codeSigning)),
  "a leaf without basic constraints": leafWith(keyUsage(0), eku(codeSigning)),
  "a leaf that is an authority": {
    ...leafWith(basicConstraints(true), keyUsage(0, 5), eku(codeSigning)),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a leaf with a critical extension nobody knows": {
    ...leafWith(...good, extension("1.2.3", Buffer.from("x"), true)),
    ...invalid,
  },
  "a leaf with a precertificate poison": {
    ...leafWith(...good, extension("1.3.6.1.4.1.11129.2.4.3", Buffer.from("0500", "hex"), true)),
    ...invalid,
  },
  "an authority for code": under([...ca, eku(codeSigning)]),
  "an authority for any purpose": under([...ca, eku("1.2.3", anyPurpose)]),
  "an authority for timestamps": {
    ...under([...ca, eku(timeStamping)]),
    ...invalid,
    ...stricter("any purpose is asked of openssl"),
  },
  "a root for timestamps": (() => {
    const authority = issueAuthority("tsa root", { extensions: [eku(timeStamping)] });
    return {
      leaf: issueLeaf(authority),
      roots: [authority],
      ...invalid,
      ...stricter("any purpose is asked of openssl"),
    };
  })(),

  "an authority key identifier that fits nobody": {
    ...plain,
    leaf: issue({ issuer: int, extensions: [...good, authorityKeyId(ecKey())] }),
    ...laxer("openssl takes key identifiers as binding; RFC 5280 as a help in building paths"),
  },
  "no key identifiers": {
    ...plain,
    leaf: issue({ issuer: int, extensions: good }),
    ...laxer("-x509_strict wants them"),
  },

  "P-384 and SHA-384": signedBy(ecKey("P-384"), algorithms["ecdsa-sha384"]),
  "P-521 and SHA-512": signedBy(ecKey("P-521"), algorithms["ecdsa-sha512"]),
  "P-256 and SHA-512": signedBy(ecKey(), algorithms["ecdsa-sha512"]),
  "RSA and SHA-256": signedBy(rsa, algorithms["rsa-sha256"]),
  "RSA and SHA-384": signedBy(rsa, algorithms["rsa-sha384"]),
  "RSA and SHA-512": signedBy(rsa3072, algorithms["rsa-sha512"]),
  "RSA-PSS and SHA-256": signedBy(rsa, algorithms["rsa-pss-sha256"]),
  "RSA-PSS and SHA-384": signedBy(rsa, algorithms["rsa-pss-sha384"]),
  "RSA-PSS and SHA-512": signedBy(rsa3072, algorithms["rsa-pss-sha512"]),
  Ed25519: signedBy(ed25519Key(), algorithms.ed25519),
  "ECDSA and SHA-1": {
    ...signedBy(ecKey(), algorithms["ecdsa-sha1"]),
    ...untrusted,
    ...stricter("SHA-1 at security level 0"),
  },
  "an authority with RSA of 1024 bits": {
    ...signedBy(rsaKey(1024), algorithms["rsa-sha256"]),
    ...invalid,
    ...stricter("RSA-1024 at security level 0"),
  },
  "an authority on the curve secp256k1": {
    ...signedBy(ecKey("secp256k1"), algorithms["ecdsa-sha256"]),
    ...invalid,
    ...stricter("openssl knows the curve"),
  },
  "a PKCS #1 signature that is named PSS": {
    ...(() => {
      const authority = issueAuthority("ca", { key: rsa });
      const named = { der: algorithms["rsa-pss-sha256"].der, hash: "sha256" };
      return { leaf: issueLeaf(authority, { algorithm: named }), roots: [authority] };
    })(),
    ...untrusted,
  },
  "an RSA signature that is named ECDSA": {
    ...(() => {
      const authority = issueAuthority("ca", { key: rsa });
      const named = { der: algorithms["ecdsa-sha256"].der, hash: "sha256" };
      return { leaf: issueLeaf(authority, { algorithm: named }), roots: [authority] };
    })(),
    ...untrusted,
  },
  "a SHA-256 signature that is named SHA-384": {
    ...plain,
    leaf: issueLeaf(int, { algorithm: { der: algorithms["ecdsa-sha384"].der, hash: "sha256" } }),
    ...untrusted,
  },

  "an e-mail address on a permitted host": constrained([email("example.com")], [], [email("ci@example.com")]),
  "an e-mail address on a host below": {
    ...constrained([email("example.com")], [], [email("ci@sub.example.com")]),
    ...invalid,
  },
  "an e-mail address below a permitted domain": constrained([email(".example.com")], [], [email("ci@Sub.Example.com")]),
  "an e-mail address at a domain whose hosts are permitted": {
    ...constrained([email(".example.com")], [], [email("ci@example.com")]),
    ...invalid,
  },
  "a permitted mailbox": constrained([email("ci@example.com")], [], [email("ci@EXAMPLE.com")]),
  "another mailbox": { ...constrained([email("ci@example.com")], [], [email("CI@example.com")]), ...invalid },
  "an excluded e-mail host": { ...constrained([], [email("example.com")], [email("ci@example.com")]), ...invalid },
  "an e-mail host that is not excluded": constrained([], [email("example.com")], [email("ci@example.org")]),
  "an excluded e-mail host in the subject": {
    ...constrained([], [email("example.com")], [], { CN: "x", emailAddress: "ci@example.com" }),
    ...invalid,
  },
  "a host below a permitted domain": constrained([dns("example.com")], [], [dns("a.b.example.com")]),
  "a permitted host": constrained([dns("example.com")], [], [dns("EXAMPLE.com")]),
  "a host that only ends like a permitted one": {
    ...constrained([dns("example.com")], [], [dns("badexample.com")]),
    ...invalid,
  },
  "an excluded host": { ...constrained([], [dns("example.com")], [dns("a.example.com")]), ...invalid },
  "one name of two that is not permitted": {
    ...constrained([dns("example.com")], [], [dns("example.com"), dns("example.org")]),
    ...invalid,
  },
  "a name of another kind than those permitted": constrained([dns("example.com")], [], [email("ci@example.org")]),
  "a host that is permitted and excluded": {
    ...constrained([dns("example.com")], [dns("a.example.com")], [dns("a.example.com")]),
    ...invalid,
  },
  "a URI on a permitted host": constrained(
    [uri("example.com")],
    [],
    [uri("https://example.com:8443/x?y=https://evil.com")],
  ),
  "a URI on a permitted host with a user": {
    ...constrained([uri("example.com")], [], [uri("https://user@example.com/")]),
    ...laxer("openssl takes the user as part of the host"),
  },
  "a URI on a host below": { ...constrained([uri("example.com")], [], [uri("https://a.example.com/")]), ...invalid },
  "a URI below a permitted domain": constrained([uri(".example.com")], [], [uri("spiffe://a.example.com/ns/x")]),
  "a URI with a permitted host as user": {
    ...constrained([uri("example.com")], [], [uri("https://example.com@evil.com/")]),
    ...invalid,
  },
  "a URI without host under permitted hosts": {
    ...constrained([uri("example.com")], [], [uri("urn:example:x")]),
    ...invalid,
  },
  "an address in a permitted range": constrained([ip(10, 0, 0, 0, 255, 0, 0, 0)], [], [ip(10, 1, 2, 3)]),
  "an address outside a permitted range": {
    ...constrained([ip(10, 0, 0, 0, 255, 0, 0, 0)], [], [ip(11, 1, 2, 3)]),
    ...invalid,
  },
  "an address of another family than permitted": {
    ...constrained([ip(10, 0, 0, 0, 255, 0, 0, 0)], [], [ip(...Array<number>(16).fill(1))]),
    ...invalid,
  },
  "an address in an excluded range": {
    ...constrained([], [ip(10, 0, 0, 0, 255, 0, 0, 0)], [ip(10, 1, 2, 3)]),
    ...invalid,
  },
  "a subject within a permitted name": constrained([directory(sequence(acme))], [], [email("ci@example.com")], {
    O: "Acme",
    CN: "x",
  }),
  "a subject outside a permitted name": {
    ...constrained([directory(sequence(acme))], [], [email("ci@example.com")], { O: "Evil", CN: "x" }),
    ...invalid,
  },
  "a permitted name further inside the subject": {
    ...constrained([directory(sequence(acme))], [], [email("ci@example.com")], { C: "US", O: "Acme" }),
    ...invalid,
  },
  "an excluded directory name": {
    ...constrained([], [directory(sequence(acme))], [email("ci@example.com")]),
    ...invalid,
    ...stricter("it compares such names without case, we do not support them"),
  },
  "constraints on registered identifiers": {
    ...constrained([implicit(8, Buffer.from([0x2a]))], [], [email("ci@example.com")]),
    ...invalid,
    ...stricter("openssl minds them only where a name of that kind is"),
  },
  "constraints of the root": (() => {
    const authority = issueAuthority("ca", { extensions: [nameConstraints([dns("example.com")])] });
    return { leaf: issueLeaf(authority, { extensions: [san([dns("example.org")])] }), roots: [authority], ...invalid };
  })(),
  "an intermediate outside the constraints of the root": (() => {
    const authority = issueAuthority("ca", { extensions: [nameConstraints([directory(sequence(acme))])] });
    const middleman = issueAuthority("int", { issuer: authority });
    return {
      leaf: issueLeaf(middleman, { subject: { O: "Acme" } }),
      intermediates: [middleman],
      roots: [authority],
      ...invalid,
    };
  })(),
  "a self-issued authority outside the constraints of the root, which do not count for it": (() => {
    const authority = issueAuthority("ca", { extensions: [nameConstraints([directory(sequence(acme))])] });
    const next = issueAuthority("ca", { issuer: authority });
    return { leaf: issueLeaf(next, { subject: { O: "Acme" } }), intermediates: [next], roots: [authority] };
  })(),
  "a self-issued leaf outside the constraints of the root, which do count for it": (() => {
    const authority = issueAuthority("ca", { extensions: [nameConstraints([dns("example.com")])] });
    const leaf = issueLeaf(authority, { subject: "ca", key: ecKey(), extensions: [san([dns("example.org")])] });
    return { leaf, roots: [authority], ...invalid };
  })(),
};
