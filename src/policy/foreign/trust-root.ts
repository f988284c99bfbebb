import { createPublicKey } from "node:crypto";
import { decodeBase64 } from "../../crypto/base64.ts";
import { algorithmOf } from "../../crypto/public-key.ts";
import type { Certificate } from "../../crypto/x509.ts";
import { parseCertificates } from "../../crypto/x509-pem.ts";
import { asTrustError, TrustError } from "../../errors.ts";
import { defaultTrustRoot, knownRepository } from "../../trust/embedded.ts";
import { parseTrustRoot } from "../../trust/parse.ts";
import { unfetchedRoot } from "../../trust/tuf-source.ts";
import type { Path, SourceDocument } from "../document.ts";
import type { Problem } from "../problem.ts";
import type { ParsedPolicies } from "../rules.ts";
import { shapeProblems } from "../shape-problems.ts";
import { remoteSource } from "./remote-root.ts";
import { type ForeignRootDocument, foreignKinds } from "./schema.ts";

type Spec = ForeignRootDocument["spec"];
type Keys = NonNullable<Spec["sigstoreKeys"]>;

/**
 * Reads a TrustRoot of policy-controller. Keys that are written out make a root; those in a TUF repository on the web are
 * fetched beside all decisions. Of a repository that cannot be fetched a root loads with a warning, and whoever refers to it
 * needs a root of that name that was added (`trust root add`). Anything but a TrustRoot is nothing.
 */
export function foreignRoot(document: SourceDocument): ParsedPolicies {
  const schema = foreignKinds.TrustRoot;
  const { value } = document;
  if (typeof value !== "object" || value === null || Reflect.get(value, "kind") !== "TrustRoot")
    return { policies: [], problems: [] };
  const checked = schema.safeParse(value);
  if (!checked.success) return { policies: [], problems: shapeProblems(schema, checked.error.issues, document) };
  const { metadata, spec } = checked.data;
  const { name } = metadata;
  // What policy-controller calls `github` is often a root of this kind; public-good is what is meant where none is named.
  if (name === defaultTrustRoot) {
    const what = "metadata.name is that of the root that is meant where none is named";
    return refuse({ place: document.placeOf(["metadata", "name"]), what, expected: "another name", found: name });
  }
  const place = document.placeOf([]);
  const source = { kind: "policy", path: place } as const;
  const make = (content: unknown) => ({
    root: parseTrustRoot(content, { name, source }),
    place,
    isForeign: true as const,
  });
  if (spec.trustedRootJSON !== undefined && spec.trustedRootJSON !== "") {
    const json = Buffer.from(spec.trustedRootJSON);
    return attempt(document, ["spec", "trustedRootJSON"], () => make(json));
  }
  const { sigstoreKeys } = spec;
  if (sigstoreKeys !== undefined) return readKeys(sigstoreKeys, document, make);
  if (spec.remote === undefined) return warn("repository", "a repository that is written out is not read");
  try {
    const tuf = remoteSource(name, spec.remote);
    return { policies: [], roots: [{ root: unfetchedRoot(tuf), tuf, place, isForeign: true }], problems: [] };
  } catch (error) {
    const { message, expected } = asTrustError(error);
    return warn("remote", expected === undefined ? message : `${message}; expected ${expected}`);
  }

  function warn(field: string, why: string): ParsedPolicies {
    // What everybody knows by that name is not what the policies mean.
    const isKnown = knownRepository(name) !== undefined;
    const nowhere = { name, mirror: "a repository that can be read", id: name, target: "", root: "" };
    const warning = {
      place: document.placeOfKey(["spec", field]),
      what: `spec.${field}: ${why}; authorities that refer to ${name} are satisfied by nothing`,
      expected: isKnown ? "trustedRootJSON, or another name" : `a root of that name beside it: trust root add ${name}`,
    };
    const roots = isKnown ? [{ root: unfetchedRoot(nowhere), place, isForeign: true as const }] : [];
    return { policies: [], roots, problems: [], warnings: [warning] };
  }
}

type Make = (content: unknown) => NonNullable<ParsedPolicies["roots"]>[number];

function readKeys(keys: Keys, document: SourceDocument, make: Make): ParsedPolicies {
  let reading: Path = ["spec", "sigstoreKeys"];
  try {
    const content = trustedRootOf(keys, (...path) => {
      reading = ["spec", "sigstoreKeys", ...path];
    });
    reading = ["spec", "sigstoreKeys"];
    return { policies: [], roots: [make(content)], problems: [] };
  } catch (error) {
    return refuse(problemOf(error, document, reading));
  }
}

/** The content of a `trusted_root.json` with those keys; `visit` is told what is read next. */
export function trustedRootOf(keys: Keys, visit: (...path: Path) => void = () => undefined): object {
  const read = <T, R>(field: keyof Keys, items: readonly T[] | undefined, one: (item: T) => R) =>
    (items ?? []).map((item, index) => {
      visit(field, index);
      return one(item);
    });
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    certificateAuthorities: read("certificateAuthorities", keys.certificateAuthorities, toAuthority),
    tlogs: read("tLogs", keys.tLogs, toLog),
    ctlogs: read("ctLogs", keys.ctLogs, toLog),
    timestampAuthorities: read("timestampAuthorities", keys.timestampAuthorities, toAuthority),
  };
}

function attempt(document: SourceDocument, path: Path, make: () => ReturnType<Make>): ParsedPolicies {
  try {
    return { policies: [], roots: [make()], problems: [] };
  } catch (error) {
    return refuse(problemOf(error, document, path));
  }
}

function problemOf(error: unknown, document: SourceDocument, path: Path): Problem {
  const { message, expected, found } = asTrustError(error);
  const name = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  return { place: document.placeOf(path), what: `${name.slice(1)}: ${message}`, expected, found };
}

function refuse(problem: Problem): ParsedPolicies {
  return { policies: [], problems: [problem] };
}

/** policy-controller gives keys and authorities no end. */
const always = { start: "1970-01-01T00:00:00Z" };

function toAuthority({ subject, uri, certChain }: NonNullable<Keys["certificateAuthorities"]>[number]): object {
  const pem = decodeBase64(certChain.replace(/\s+/g, ""), "certChain").toString("utf8");
  const certificates = inIssuingOrder(parseCertificates(pem)).map(({ raw }) => ({ rawBytes: raw.toString("base64") }));
  return { subject, uri, certChain: { certificates }, validFor: always };
}

/** The anchor last, whatever the order in the file. */
function inIssuingOrder(certificates: readonly Certificate[]): readonly Certificate[] {
  const isSelfIssued = ({ subject, issuer }: Certificate) => subject.raw.equals(issuer.raw);
  const [first] = certificates;
  return first !== undefined && isSelfIssued(first) && certificates.length > 1
    ? certificates.toReversed()
    : certificates;
}

const details: Readonly<Record<string, string>> = {
  "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
  "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
  "ecdsa-p521": "PKIX_ECDSA_P521_SHA_512",
  ed25519: "PKIX_ED25519",
  rsa: "PKIX_RSA_PKCS1V5",
};

function toLog({ baseURL, hashAlgorithm, publicKey }: NonNullable<Keys["tLogs"]>[number]): object {
  if (!/^sha-?(?:2_)?256$/i.test(hashAlgorithm))
    throw new TrustError("TRUST_ROOT_INVALID", "the hash of the log's tree", {
      expected: "sha256",
      found: hashAlgorithm.slice(0, 40),
    });
  const pem = decodeBase64(publicKey.replace(/\s+/g, ""), "publicKey").toString("utf8");
  const key = readKey(pem);
  const rawBytes = key.export({ type: "spki", format: "der" }).toString("base64");
  const keyDetails = details[algorithmOf(key)];
  return { baseUrl: baseURL, hashAlgorithm: "SHA2_256", publicKey: { rawBytes, keyDetails, validFor: always } };
}

function readKey(pem: string) {
  if (!/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem))
    throw new TrustError("TRUST_ROOT_INVALID", "the key of the log is not a public key", {
      expected: "base64 of PEM: -----BEGIN PUBLIC KEY-----",
    });
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new TrustError("TRUST_ROOT_INVALID", "the key of the log cannot be read", { expected: "PEM", cause });
  }
}
