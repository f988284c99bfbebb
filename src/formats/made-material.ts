import { formatPem } from "../crypto/pem.ts";
import type { Signer, SigningCertificate } from "../keys/signer.ts";
import type { InclusionProof, LogEntry, Testimony } from "../witness/witness.ts";

/** What a made signature carries beside itself: by whom, and when. */
export interface MadeMaterial {
  readonly signer: Signer;
  readonly certificate: SigningCertificate | undefined;
  readonly testimony: Testimony;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** `verificationMaterial` of a bundle v0.3 (sigstore_bundle.proto), as its JSON value: the leaf alone of a certificate. */
export function verificationMaterial({ signer, certificate, testimony }: MadeMaterial): object {
  const { entries, timestamps } = testimony;
  return {
    ...(certificate === undefined
      ? { publicKey: { hint: base64(Buffer.from(signer.publicKey.keyId, "hex")) } }
      : { certificate: { rawBytes: base64(certificate.leaf.raw) } }),
    ...(entries.length === 0 ? {} : { tlogEntries: entries.map(entryJson) }),
    ...(timestamps.length === 0
      ? {}
      : {
          timestampVerificationData: {
            rfc3161Timestamps: timestamps.map((timestamp) => ({ signedTimestamp: base64(timestamp) })),
          },
        }),
  };
}

/** sigstore_rekor.proto, TransparencyLogEntry. */
function entryJson(entry: LogEntry): object {
  const { integratedTime, inclusionPromise, inclusionProof } = entry;
  return {
    logIndex: entry.logIndex,
    logId: { keyId: base64(entry.logId) },
    kindVersion: { kind: entry.kind, version: entry.version },
    ...(integratedTime === undefined ? {} : { integratedTime }),
    ...(inclusionPromise === undefined ? {} : { inclusionPromise: { signedEntryTimestamp: base64(inclusionPromise) } }),
    ...(inclusionProof === undefined ? {} : { inclusionProof: proofJson(inclusionProof) }),
    canonicalizedBody: base64(entry.canonicalizedBody),
  };
}

function proofJson({ logIndex, rootHash, treeSize, hashes, checkpoint }: InclusionProof): object {
  return {
    logIndex,
    rootHash: base64(rootHash),
    treeSize,
    hashes: hashes.map(base64),
    checkpoint: { envelope: checkpoint },
  };
}

/**
 * The same for the layers of `.sig` and `.att` manifests (sigstore/cosign, specs/SIGNATURE_SPEC.md): the chain, too. There
 * is room for one log entry with a promise, and for one timestamp; verifiers of these layers know no more.
 */
export function materialAnnotations({ certificate, testimony }: MadeMaterial): Readonly<Record<string, string>> {
  const [timestamp] = testimony.timestamps;
  const promised = testimony.entries.find(({ inclusionPromise }) => inclusionPromise !== undefined);
  return {
    ...(certificate === undefined ? {} : certificateAnnotations(certificate)),
    ...(promised === undefined ? {} : { "dev.sigstore.cosign/bundle": JSON.stringify(promiseOf(promised)) }),
    ...(timestamp === undefined
      ? {}
      : {
          "dev.sigstore.cosign/rfc3161timestamp": JSON.stringify({ SignedRFC3161Timestamp: base64(timestamp) }),
        }),
  };
}

function certificateAnnotations({ leaf, issuers }: SigningCertificate): Readonly<Record<string, string>> {
  const chain = issuers.map(({ raw }) => formatPem("CERTIFICATE", raw)).join("");
  return {
    "dev.sigstore.cosign/certificate": formatPem("CERTIFICATE", leaf.raw),
    ...(chain === "" ? {} : { "dev.sigstore.cosign/chain": chain }),
  };
}

function promiseOf({ inclusionPromise, canonicalizedBody, integratedTime, logIndex, logId }: LogEntry): object {
  return {
    SignedEntryTimestamp: base64(inclusionPromise ?? Buffer.of()),
    Payload: {
      body: base64(canonicalizedBody),
      integratedTime: Number(integratedTime ?? "0"),
      logIndex: Number(logIndex),
      logID: logId.toString("hex"),
    },
  };
}
