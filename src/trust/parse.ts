import { hash } from "node:crypto";
import { describeJson } from "../crypto/describe-json.ts";
import { type Certificate, parseCertificate } from "../crypto/x509.ts";
import {
  bytesOf,
  elementsOf,
  isSet,
  membersOf,
  optionalText,
  type Place,
  problemAt,
  readDocument,
  windowOf,
  withCode,
} from "./fields.ts";
import { readLogKey } from "./log-key.ts";
import { defaultMinima, readMinima, relaxationsOf } from "./minima.ts";
import type {
  CertificateAuthority,
  CertificateLog,
  SkippedEntry,
  TransparencyLog,
  TrustRoot,
  TrustRootSource,
} from "./trust-root.ts";

/** Media types of trusted roots that are read. */
export const trustRootMediaTypes: readonly string[] = [
  "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
  "application/vnd.dev.sigstore.trustedroot.v0.1+json",
  "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

const maxEntries = 1000;
const maxChain = 10;

export interface TrustRootOptions {
  /** What policies and messages call it. */
  readonly name: string;
  readonly source: TrustRootSource;
  /** `{ log, timestamp, logOrTimestamp, sct }`, each true, false or a number; unset: by what the deployment has. */
  readonly require?: unknown;
}

/**
 * Parses a `trusted_root.json` (protobuf-specs `TrustedRoot`, v0.1 and v0.2), given as bytes or as the object that a policy
 * holds. Strict: at most 4 MiB of UTF-8 JSON, no field twice, none unknown, standard base64, certificates in issuing order,
 * every window with a start. A log whose kind of key is not known here is skipped and listed in `skipped`: nothing is believed
 * of it, and the minima are as if it were there. Throws `TRUST_ROOT_INVALID`, with the place in the document.
 */
export function parseTrustRoot(document: unknown, options: TrustRootOptions): TrustRoot {
  const place = readDocument(document, "the trust root", "TRUST_ROOT_INVALID");
  const { mediaType, ...fields } = membersOf(place, [
    "mediaType",
    "tlogs",
    "certificateAuthorities",
    "ctlogs",
    "timestampAuthorities",
  ]);
  if (!trustRootMediaTypes.some((known) => known === mediaType.value))
    throw problemAt(mediaType, "is not supported", trustRootMediaTypes.join(" or "), describeJson(mediaType.value));
  const skipped: SkippedEntry[] = [];
  const logPlaces = elementsOf(fields.tlogs, maxEntries);
  const certificateLogPlaces = elementsOf(fields.ctlogs, maxEntries);
  const content = {
    certificateAuthorities: elementsOf(fields.certificateAuthorities, maxEntries).map(readAuthority),
    logs: logPlaces.flatMap((log) => readLog(log, skipped) ?? []),
    certificateLogs: certificateLogPlaces.flatMap((log) => readCertificateLog(log, skipped) ?? []),
    timestampAuthorities: elementsOf(fields.timestampAuthorities, maxEntries).map(readAuthority),
  };
  const defaults = defaultMinima({
    hasLogs: logPlaces.length > 0,
    hasCertificateLogs: certificateLogPlaces.length > 0,
  });
  const require = readMinima({ value: options.require, at: "require", code: place.code }, defaults);
  const { name, source } = options;
  const revision = revisionOf({ ...content, require });
  return { name, revision, source, ...content, require, relaxed: relaxationsOf(require, defaults), skipped };
}

const logFields = ["baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator"] as const;

function readLog(place: Place, skipped: SkippedEntry[]): TransparencyLog | undefined {
  const { baseUrl, hashAlgorithm, publicKey, logId, checkpointKeyId, operator } = membersOf(place, logFields);
  const key = readLogKey(publicKey);
  const url = optionalText(baseUrl) ?? "";
  const id = keyIdOf(logId);
  const declared = keyIdOf(checkpointKeyId);
  const reason = typeof key === "string" ? key : unknownHash(hashAlgorithm);
  if (typeof key === "string" || reason !== undefined) {
    skipped.push({ at: place.at, reason: reason ?? "" });
    return undefined;
  }
  const { keyHash, ...rest } = key;
  const origins = originsOf(url);
  return {
    baseUrl: url,
    origins,
    ...rest,
    logId: id ?? keyHash,
    checkpointKeyId: (declared ?? id ?? keyHash).subarray(0, 4),
    hash: "sha256",
    operator: optionalText(operator) ?? origins.at(-1) ?? keyHash.toString("hex"),
  };
}

function readCertificateLog(place: Place, skipped: SkippedEntry[]): CertificateLog | undefined {
  const { baseUrl, publicKey, logId, operator, checkpointKeyId } = membersOf(place, logFields);
  const key = readLogKey(publicKey);
  const url = optionalText(baseUrl) ?? "";
  keyIdOf(logId);
  keyIdOf(checkpointKeyId);
  if (typeof key === "string") {
    skipped.push({ at: place.at, reason: key });
    return undefined;
  }
  const { keyHash, ...rest } = key;
  const runBy = optionalText(operator) ?? originsOf(url).at(-1) ?? keyHash.toString("hex");
  return { baseUrl: url, ...rest, logId: keyHash, operator: runBy };
}

function keyIdOf(place: Place): Buffer | undefined {
  return isSet(place) ? bytesOf(membersOf(place, ["keyId"]).keyId) : undefined;
}

/** Of the Merkle tree. */
function unknownHash({ value }: Place): string | undefined {
  return value === "SHA2_256" ? undefined : `its hash is not supported: ${describeJson(value).slice(0, 100)}`;
}

/** The URL without its scheme, and its host without port; the URL may be without a scheme already. */
function originsOf(url: string): readonly string[] {
  const name = url.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, "").replace(/\/+$/, "");
  const host = name.split("/", 1)[0]?.replace(/:\d+$/, "") ?? "";
  return [...new Set([name, host])].filter((origin) => origin !== "");
}

function readAuthority(place: Place): CertificateAuthority {
  const { uri, certChain, validFor, operator, subject } = membersOf(place, [
    "subject",
    "uri",
    "certChain",
    "validFor",
    "operator",
  ]);
  if (isSet(subject)) membersOf(subject, ["organization", "commonName"]);
  const chain = readChain(certChain);
  const url = optionalText(uri) ?? "";
  const anchor = chain.at(-1)?.fingerprint ?? "";
  const runBy = optionalText(operator) ?? originsOf(url).at(-1) ?? anchor;
  return { uri: url, chain, window: windowOf(validFor), operator: runBy };
}

/** In issuing order, the anchor last: which certificate is the anchor must not be a matter of interpretation. */
function readChain(place: Place): readonly Certificate[] {
  const { certificates } = membersOf(place, ["certificates"]);
  const places = elementsOf(certificates, maxChain);
  if (places.length === 0) throw problemAt(certificates, "is empty", "at least the trust anchor");
  const chain = places.map((element) => {
    const { rawBytes } = membersOf(element, ["rawBytes"]);
    const der = bytesOf(rawBytes);
    return withCode(place.code, () => parseCertificate(der), rawBytes.at);
  });
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer !== undefined && !issuer.subject.raw.equals(certificate.issuer.raw))
      throw problemAt(certificates, "is not in issuing order", certificate.issuer.text, issuer.subject.text);
  }
  return chain;
}

type Content = Pick<
  TrustRoot,
  "certificateAuthorities" | "logs" | "certificateLogs" | "timestampAuthorities" | "require"
>;

/** Of what was understood, whatever its form: the order of fields, spaces and the media type do not matter. */
function revisionOf({ certificateAuthorities, logs, certificateLogs, timestampAuthorities, require }: Content) {
  const authority = ({ uri, chain, window, operator }: CertificateAuthority) => [
    uri,
    chain.map(({ fingerprint }) => fingerprint),
    window.start,
    window.end ?? null,
    operator,
  ];
  const log = ({ baseUrl, key, scheme, logId, window, operator }: CertificateLog) => [
    baseUrl,
    key.keyId,
    scheme.kind,
    scheme.hash ?? null,
    logId.toString("hex"),
    window.start,
    window.end ?? null,
    operator,
  ];
  const facts = [
    certificateAuthorities.map(authority),
    logs.map((each) => [...log(each), each.checkpointKeyId.toString("hex")]),
    certificateLogs.map(log),
    timestampAuthorities.map(authority),
    [require.log, require.timestamp, require.logOrTimestamp, require.sct],
  ];
  return `sha256:${hash("sha256", JSON.stringify(facts), "hex")}` as const;
}
