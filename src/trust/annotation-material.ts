import { parseStrictJson } from "../crypto/json.ts";
import { parseCertificates } from "../crypto/x509-pem.ts";
import { TrustError } from "../errors.ts";
import { fieldReader } from "./json-fields.ts";
import { isSelfIssued, type LogEntry, maxBodyBytes, type VerificationMaterial } from "./material.ts";

/** The annotations of a cosign layer that hold the material of its signature. */
export const materialAnnotations = {
  certificate: "dev.sigstore.cosign/certificate",
  chain: "dev.sigstore.cosign/chain",
  bundle: "dev.sigstore.cosign/bundle",
  timestamp: "dev.sigstore.cosign/rfc3161timestamp",
} as const;

const maxText = 256 * 1024;
/** Certificates in one annotation. */
const maxChain = 11;
const read = fieldReader("SIGNATURE_MALFORMED", "the annotations of the signature");

/**
 * Reads the annotations that cosign puts on a layer: a certificate, its chain, an entry of Rekor v1, a timestamp; any of them
 * may be missing. Throws `SIGNATURE_MALFORMED` or `CERTIFICATE_INVALID`.
 */
export function parseAnnotationMaterial(annotations: Readonly<Record<string, string>>): VerificationMaterial {
  const text = (name: keyof typeof materialAnnotations) => annotation(annotations, materialAnnotations[name]);
  const [leaf, second] = certificates(text("certificate"));
  if (second !== undefined) read.fail(materialAnnotations.certificate, "one certificate", "several");
  const bundle = text("bundle");
  const timestamp = text("timestamp");
  return {
    ...(leaf === undefined ? {} : { leaf }),
    // The last one is a root, which the verifier brings itself.
    intermediates: certificates(text("chain")).filter((one) => !isSelfIssued(one)),
    entries: bundle === undefined ? [] : [readEntry(bundle)],
    timestamps: timestamp === undefined ? [] : [readTimestamp(timestamp)],
  };
}

function annotation(annotations: Readonly<Record<string, string>>, name: string): string | undefined {
  const text = Object.hasOwn(annotations, name) ? annotations[name] : undefined;
  if (text === undefined || text === "") return undefined;
  if (text.length <= maxText) return text;
  throw new TrustError("SIGNATURE_MALFORMED", `the annotation ${name} is too long`, {
    expected: `at most ${maxText} characters`,
    found: `${text.length} characters`,
  });
}

function certificates(pem: string | undefined) {
  if (pem === undefined) return [];
  // Counted first: reading them takes its time, and a manifest may have many layers.
  const count = pem.split("-----BEGIN ").length - 1;
  if (count > maxChain) read.fail(materialAnnotations.chain, `at most ${maxChain} certificates`, `${count}`);
  return parseCertificates(pem);
}

/** `RekorBundle` of cosign. */
function readEntry(text: string): LogEntry {
  const name = materialAnnotations.bundle;
  const bundle = read.object(parseStrictJson(Buffer.from(text), name), name);
  const payload = read.object(bundle["Payload"], "Payload");
  const time = read.int64(payload["integratedTime"], "integratedTime");
  if (time === 0n || time > 8_640_000_000_000n) read.fail("integratedTime", "seconds since 1970", `${time}`);
  return {
    logId: read.hex(payload["logID"], "logID"),
    logIndex: read.int64(payload["logIndex"], "logIndex"),
    integratedTime: Number(time),
    signedEntryTimestamp: read.bytes(bundle["SignedEntryTimestamp"], "SignedEntryTimestamp"),
    body: read.bytes(payload["body"], "body", maxBodyBytes),
  };
}

function readTimestamp(text: string): Buffer {
  const name = materialAnnotations.timestamp;
  const value = read.object(parseStrictJson(Buffer.from(text), name), name);
  return read.bytes(value["SignedRFC3161Timestamp"], "SignedRFC3161Timestamp");
}
