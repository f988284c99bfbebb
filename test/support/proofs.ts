import { type Digest, digestOf } from "../../src/crypto/digest.ts";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import type { VerifiedAttestation, VerifiedSignature } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { parsePolicies } from "../../src/policy/parse.ts";
import type { PolicySet, TrustPolicy } from "../../src/policy/policy.ts";
import { toPolicySet } from "../../src/policy/policy-set.ts";
import { trusting } from "./signers.ts";

/** The image that proofs of this file are about. */
export const subject = digestOf(Buffer.from("image"));
export const image = parseReference("registry.example.com/app:1");

/** A real proof: signed and verified. */
export async function signatureBy(
  signer: Signer,
  annotations: Readonly<Record<string, string>> = {},
  digest: Digest = subject,
): Promise<VerifiedSignature> {
  const descriptor = { mediaType: "x", digest, size: 1 };
  const made = await sigstoreBundle.sign({ image, subject: descriptor, signer, annotations, now: 0 });
  const proof = await sigstoreBundle.verify(made.bundle, digest, trusting(signer));
  if (proof.kind !== "signature") throw new Error("an image signature was made");
  return proof;
}

/** A real proof of an attestation. `signedAt` stands for what a log or timestamp authority would have proved. */
export async function attestationBy(
  signer: Signer,
  predicate: unknown,
  options: { readonly type?: string; readonly signedAt?: string; readonly digest?: Digest } = {},
): Promise<VerifiedAttestation> {
  const { type = provenance, signedAt, digest = subject } = options;
  const made = await sigstoreBundle.attest({
    image,
    subject: { mediaType: "x", digest, size: 1 },
    signer,
    predicateType: type,
    predicate: Buffer.from(JSON.stringify(predicate)),
    now: 0,
  });
  const proof = await sigstoreBundle.verify(made.bundle, digest, trusting(signer));
  if (proof.kind !== "attestation") throw new Error("an attestation was made");
  return signedAt === undefined ? proof : { ...proof, signedAt: [signedAt] };
}

export const provenance = "https://slsa.dev/provenance/v1";

/** An authority with the key of a signer, as a policy writes it. */
export function keyed(name: string, { publicKey }: Signer, more: object = {}): object {
  return { name, key: { data: formatPublicKey(publicKey) }, ...more };
}

/** Documents as they load from one file. */
export async function setOf(...documents: readonly object[]): Promise<PolicySet> {
  const written = documents.map((document) => ({ apiVersion: "imagetrust.dev/v1alpha1", ...document }));
  return toPolicySet([await parsePolicies(written.map((item) => JSON.stringify(item)).join("\n---\n"), "test.yaml")]);
}

/** The policy of a `spec` that speaks about every image. */
export async function policyOf(spec: object): Promise<TrustPolicy> {
  const metadata = { name: "p" };
  const { policies } = await setOf({
    kind: "ClusterTrustPolicy",
    metadata,
    spec: { images: [{ glob: "**" }], ...spec },
  });
  const [policy] = policies;
  if (policy === undefined) throw new Error("no policy");
  return policy;
}
