import type { Digest } from "../crypto/digest.ts";
import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";
import type { Finding, TrustError } from "../errors.ts";
import type { Signer } from "../keys/signer.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import type { Descriptor } from "../oci/manifest.ts";
import type { ImageReference } from "../oci/reference.ts";
import type { CertificateTrust } from "../trust/certificate-trust.ts";
import type { EvidenceMinima, TrustRoot } from "../trust/trust-root.ts";
import type { Testimony, Witnessed } from "../witness/witness.ts";

/** The largest signature blob that is read, in bytes. */
export const maxSignatureBytes = 4 * 1024 * 1024;

/** The largest attestation blob that is read, in bytes: SBOMs are large, and base64 makes a third more of them. */
export const maxAttestationBytes = 128 * 1024 * 1024;

/** How many blobs of one place are read at the same time. */
export const readsAtOnce = 16;

/** A signature as found: a claim. Nothing in it may be believed before `verify` has proved it. */
export interface SignatureBundle {
  readonly format: string;
  /** Digest of the blob that holds it; what the Verdict names as evidence. */
  readonly evidence: Digest;
  /** Tells apart claims that share a blob; the cache key of its proof. */
  readonly claimId: string;
  /** The bytes of that blob, checked against their digest. */
  readonly content: Uint8Array;
  /** Annotations of the layer it came in; `.sig` manifests keep the signature there. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The blob is a DSSE envelope by itself, as under `.att` tags. */
  readonly isEnvelope?: true;
}

/** What a search is for; without more, signatures. */
export interface Search {
  /** Attestations, too: `.att` tags are asked for, and blobs of up to 128 MiB are read. */
  readonly attestations?: boolean | undefined;
  /** Of which type. What is labelled so is read first; labels are not signed, so that everything else is read as well. */
  readonly predicateType?: string | undefined;
}

/** What `find` brought: claims, and a finding for each thing that looked like a signature and could not be read. */
export interface FoundSignatures {
  readonly bundles: readonly SignatureBundle[];
  readonly findings: readonly Finding[];
  /** False where a limit ended the search: checks that need absence fail. */
  readonly complete: boolean;
}

/**
 * Who signed: a public key; or whom a certificate names, under which of one's own roots (`issuer` is the name of the root);
 * or an identity that an OIDC issuer vouched for.
 */
export type SignerIdentity =
  | { readonly kind: "key"; readonly keyId: string }
  | { readonly kind: "certificate"; readonly issuer: string; readonly subject: string }
  | { readonly kind: "keyless"; readonly issuer: string; readonly subject: string };

/**
 * What one part of the trust material proves beside the signature itself. A certificate and times are worth something only to
 * whoever trusts that part: one policy's roots prove nothing to another.
 *
 * Where a key signed, `failure` is why the part refuses the evidence that was brought along; then it proves no time.
 */
export interface Backing {
  /** The id of the part: of a {@link CertificateTrust}, or the revision of a {@link TrustRoot}. */
  readonly trust: string;
  /** Whom it names is proved, by a path to `issuer`; absent where a key signed. */
  readonly certificate?: Certificate;
  /** The key of the certificate, hex. */
  readonly keyId?: string;
  /** The name of the root, or the OIDC issuer. */
  readonly issuer?: string;
  /** Times proved by logs and timestamp authorities of this part, RFC 3339 UTC, the earliest first. */
  readonly signedAt: readonly string[];
  /** When the path holds, milliseconds since 1970, where no time is verified and it was judged at the time of asking. */
  readonly validity?: Validity;
  /** How many distinct logs and timestamp authorities proved it. */
  readonly counts?: EvidenceMinima;
  readonly failure?: TrustError;
}

/** Who signed, as far as it is proved. */
export type ProvedSigner = Pick<ProofFacts, "signer" | "signedAt" | "backings" | "validity">;

/** A signature, and the bytes that it is over. */
export interface SignedBytes {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** First and last moment, milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

declare const proved: unique symbol;

/** What every proof says: this signer, over this subject. Only `formats/` can make one. */
interface ProofFacts {
  readonly [proved]: true;
  readonly format: string;
  readonly evidence: Digest;
  /**
   * Of the signed payload of an envelope: unlike `evidence`, nobody but the signer can change it, since an envelope can be
   * written in many ways.
   */
  readonly payload?: Digest;
  readonly subject: Digest;
  readonly signer: SignerIdentity;
  /** Times proved by a log or a timestamp authority, RFC 3339 UTC; empty for a bare key signature. */
  readonly signedAt: readonly string[];
  /**
   * What certificates, logs and timestamps prove, by part of the trust material. Policies count a proof through
   * `countedFor`, which puts the signer and the times of the right part into it.
   */
  readonly backings?: readonly Backing[];
  /** The proof holds only while now is within, because certificates are judged by it; absent: for ever. */
  readonly validity?: Validity;
  /** As counted by an authority: why it does not accept what came with the signature. */
  readonly refusal?: TrustError;
}

/** A signature of an image that is proved. */
export interface VerifiedSignature extends ProofFacts {
  readonly kind: "signature";
  /** Annotations inside the signed statement. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The image name inside the signed statement, where the format has one. */
  readonly dockerReference?: string;
}

/** An attestation that is proved: a statement about the image, which does not sign it. */
export interface VerifiedAttestation extends ProofFacts {
  readonly kind: "attestation";
  readonly predicateType: string;
  /** Annotations of the statement's subject. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The signed in-toto statement, as its bytes; large ones are read only where somebody asks. */
  readonly statement: Uint8Array;
}

export type Proof = VerifiedSignature | VerifiedAttestation;

/** What a verifier believes while it proves signatures. `revision` changes whenever the content does. */
export interface TrustMaterial {
  readonly revision: string;
  readonly keys: readonly PublicKey[];
  /** Certificate authorities of one's own. */
  readonly certificates?: readonly CertificateTrust[];
  /** Deployments of Sigstore. Each proves by itself; backings name it by its revision. */
  readonly roots?: readonly TrustRoot[];
}

/** What has signatures witnessed by logs and timestamp authorities. */
export type Testify = (witnessed: Witnessed) => Promise<Testimony>;

export interface SignRequest {
  readonly image: ImageReference;
  readonly subject: Descriptor;
  readonly signer: Signer;
  /** Absent where nobody is to witness the signature. */
  readonly testify?: Testify | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** The name that a form with a name in it signs instead of the repository of `image`, as it is written. */
  readonly identity?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface AttestRequest {
  readonly image: ImageReference;
  readonly subject: Descriptor;
  readonly signer: Signer;
  /** Absent where nobody is to witness the attestation. */
  readonly testify?: Testify | undefined;
  /** A URI. */
  readonly predicateType: string;
  /** JSON, signed as it stands. */
  readonly predicate: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** How a made signature is put beside its image. */
export type Attachment =
  | {
      /** A manifest whose `subject` is the image (image-spec v1.1, manifest.md). */
      readonly kind: "referrer";
      readonly bytes: Uint8Array;
      readonly artifactType: string;
      readonly annotations: Readonly<Record<string, string>>;
      /** Config and layers, to be pushed first. */
      readonly blobs: readonly Uint8Array[];
    }
  | {
      /** One more layer of the manifest under a tag. */
      readonly kind: "layer";
      readonly tag: string;
      readonly layer: Descriptor;
      readonly blob: Uint8Array;
    };

/** A signature or attestation that is made but not yet pushed. */
export interface MadeSignature {
  readonly bundle: SignatureBundle;
  readonly attachment: Attachment;
}

/** One way to write signatures. Pure but for `find`, which reads through the places it is given. */
export interface SignatureFormat {
  readonly name: string;
  find(places: EvidencePlaces, subject: Digest, search?: Search): Promise<FoundSignatures>;
  /**
   * Proves the claim for that subject, or throws why not (`untrusted` codes). `now`, milliseconds since 1970, is what
   * certificates are judged by where no time is verified; without it they are refused.
   */
  verify(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial, now?: number): Promise<Proof>;
  sign(request: SignRequest): Promise<MadeSignature>;
  /** Makes an in-toto statement about the subject, and signs it. Throws `CONTENT_TOO_LARGE`. */
  attest(request: AttestRequest): Promise<MadeSignature>;
}

/** The only constructor of a proof; the architecture test keeps it inside `formats/`. */
export function proveSignature(facts: Omit<VerifiedSignature, typeof proved | "kind">): VerifiedSignature {
  return { kind: "signature", ...facts } as VerifiedSignature;
}

/** The only constructor of a proved attestation. */
export function proveAttestation(facts: Omit<VerifiedAttestation, typeof proved | "kind">): VerifiedAttestation {
  return { kind: "attestation", ...facts } as VerifiedAttestation;
}

/**
 * An attestation in the place of a signature, for policies that are asked whom it is by: the same facts, proved already.
 * Never for the question whether the image is signed.
 */
export function countAttestation({ kind, predicateType, statement, ...facts }: VerifiedAttestation): VerifiedSignature {
  return proveSignature(facts);
}

/** The proof as somebody counts it who trusts one of its backings, or none: with that signer, at those times. */
export function countAs(
  { kind, backings, validity: _, signedAt: __, ...facts }: VerifiedSignature,
  by: { readonly signer: SignerIdentity } & Partial<Pick<ProofFacts, "signedAt" | "validity" | "refusal">>,
): VerifiedSignature {
  const { signer, signedAt = [], validity, refusal } = by;
  return proveSignature({
    ...facts,
    signer,
    signedAt,
    ...(validity === undefined ? {} : { validity }),
    ...(refusal === undefined ? {} : { refusal }),
  });
}
