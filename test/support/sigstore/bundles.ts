import { hash, sign } from "node:crypto";
import { dssePae } from "../../../src/crypto/dsse.ts";
import { ecKey, ed25519Key, type Issued, type KeyPair, pemOf, rsaKey, spkiOf } from "../x509.ts";
import { issueIdentity, type LeafSpec } from "./authority.ts";
import { type Claims, githubClaims } from "./claims.ts";
import { base64 } from "./jcs.ts";
import { usualHash } from "./log-key.ts";
import { type LogRecipe, logged } from "./logged.ts";
import type { Json } from "./rekor-v1.ts";
import { type TimestampSpec, timestampResponse } from "./timestamp.ts";
import type { World } from "./world.ts";

// Bundles without a network: valid ones of every kind, and hooks to make them wrong while every signature in them still holds.

export type KeyName = "p256" | "p384" | "p521" | "rsa" | "ed25519";

const makers: Readonly<Record<KeyName, () => KeyPair>> = {
  p256: () => ecKey("P-256"),
  p384: () => ecKey("P-384"),
  p521: () => ecKey("P-521"),
  rsa: () => rsaKey(2048),
  ed25519: ed25519Key,
};
const made = new Map<KeyName, KeyPair>();

/** One key pair of each kind, made when it is first asked for. */
export function keyOf(name: KeyName): KeyPair {
  const key = made.get(name) ?? makers[name]();
  made.set(name, key);
  return key;
}

/** What a bundle is to be; by default what public-good signers make: a DSSE envelope, a P-256 certificate, Rekor v1. */
export interface Recipe extends LogRecipe {
  readonly content?: "dsse" | "message";
  readonly signer?: "certificate" | "key";
  readonly key?: KeyName;
  readonly version?: "0.1" | "0.2" | "0.3";
  readonly timestamp?: boolean;
  readonly claims?: Claims;
  /** What is signed: a file, or the subject of the statement by its digest. */
  readonly artifact?: Uint8Array;
  /** SHA-256 hex of the statement's subject, where it is not the artifact. */
  readonly subject?: string;
  /** When, in milliseconds since 1970; the certificate starts here, the log sees it 1 s and the timestamp 2 s later. */
  readonly at?: number;
  /** Changes the certificate. */
  readonly certificate?: (spec: LeafSpec) => LeafSpec;
  /** Changes the timestamp. */
  readonly stamp?: (spec: TimestampSpec) => TimestampSpec;
  /** Certificates to bring along behind the leaf, where the version has a chain. */
  readonly chain?: readonly Issued[];
}

/** A bundle with what a verifier must know to judge it. */
export interface MadeBundle {
  readonly bundle: Json;
  readonly artifact: Buffer;
  /** SHA-256 hex of the artifact, or of what the statement names. */
  readonly subject: string;
  readonly key: KeyPair;
  readonly leaf: Issued | undefined;
  readonly recipe: Recipe;
}

let numbers = 0;

/** Makes a valid bundle; each one of another artifact and entry. The log in `world` grows. */
export function makeBundle(world: World, recipe: Recipe = {}): MadeBundle {
  const { content = "dsse", signer = "certificate", version = "0.3", timestamp = false } = recipe;
  const at = recipe.at ?? Math.floor(world.now() / 1000) * 1000 - 60_000;
  const key = keyOf(recipe.key ?? "p256");
  const artifact = Buffer.from(recipe.artifact ?? `artifact ${numbers++}`);
  const subject = recipe.subject ?? hash("sha256", artifact);
  const spec = { authority: world.fulcio, key, claims: recipe.claims ?? githubClaims(), at, logs: [world.ctlog] };
  const leaf = signer === "certificate" ? issueIdentity(recipe.certificate?.(spec) ?? spec) : undefined;
  const signed = content === "dsse" ? signEnvelope(key, subject) : signMessage(key, artifact);
  const entry = logged(world, recipe, { key, leaf, ...signed, at: at + 1000 });
  const question = { hash: "sha256", imprint: hash("sha256", signed.signature, "buffer") } as const;
  const stamp = { ...question, authority: world.tsa, signer: world.timestamper, at: at + 2000 };
  const stamps = timestamp ? [timestampResponse(recipe.stamp?.(stamp) ?? stamp)] : [];
  const bundle = {
    mediaType: mediaTypeOf(version),
    verificationMaterial: {
      ...identityOf(key, leaf, version, recipe.chain),
      ...(entry !== undefined && { tlogEntries: [entry] }),
      ...(timestamp && {
        timestampVerificationData: { rfc3161Timestamps: stamps.map((one) => ({ signedTimestamp: base64(one) })) },
      }),
    },
    ...signed.part,
  };
  return { bundle, artifact, subject, key, leaf, recipe };
}

const mediaTypeOf = (version: string) =>
  version === "0.3"
    ? "application/vnd.dev.sigstore.bundle.v0.3+json"
    : `application/vnd.dev.sigstore.bundle+json;version=${version}`;

function identityOf(key: KeyPair, leaf: Issued | undefined, version: string, chain: readonly Issued[] = []): Json {
  if (leaf === undefined) return { publicKey: { hint: base64(hash("sha256", spkiOf(key), "buffer")) } };
  const raw = ({ der }: Issued) => ({ rawBytes: base64(der) });
  return version === "0.3"
    ? { certificate: raw(leaf) }
    : { x509CertificateChain: { certificates: [leaf, ...chain].map(raw) } };
}

/** What was signed, for a log and for the bundle. */
export interface Signed {
  readonly signature: Buffer;
  /** The hash that the signature is over. */
  readonly hash: "sha256" | "sha384" | "sha512";
  /** With it, of the message that was signed. */
  readonly digest: Buffer;
  readonly envelope?: {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly { readonly sig: string }[];
  };
  /** The member of the bundle that holds it. */
  readonly part: Json;
}

const payloadType = "application/vnd.in-toto+json";

/** Signs a statement as `cosign sign` makes it. */
export function signEnvelope(key: KeyPair, sha256: string): Signed {
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256 }, annotations: {} }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const pae = dssePae(payloadType, payload);
  const name = usualHash(key) ?? "sha512";
  const signature = sign(usualHash(key) ?? null, pae, key.privateKey);
  const envelope = { payload: base64(payload), payloadType, signatures: [{ sig: base64(signature) }] };
  return { signature, hash: name, digest: hash(name, pae, "buffer"), envelope, part: { dsseEnvelope: envelope } };
}

/** Signs a file; Ed25519 signs it as it is. */
export function signMessage(key: KeyPair, artifact: Uint8Array): Signed {
  const name = usualHash(key) ?? "sha512";
  const digest = hash(name, artifact, "buffer");
  const signature = sign(usualHash(key) ?? null, artifact, key.privateKey);
  const messageDigest = { algorithm: `SHA2_${name.slice(3)}`, digest: base64(digest) };
  return { signature, hash: name, digest, part: { messageSignature: { messageDigest, signature: base64(signature) } } };
}

/** The same evidence as annotations of a layer of cosign's `.sig` and `.att` images. */
export function annotationsOf(world: World, { bundle, leaf }: MadeBundle): Readonly<Record<string, string>> {
  // biome-ignore lint/suspicious/noExplicitAny: of a bundle that was just made
  const { verificationMaterial: material, messageSignature: message } = bundle as any;
  const [entry] = material.tlogEntries ?? [];
  const [stamp] = material.timestampVerificationData?.rfc3161Timestamps ?? [];
  const payload = entry && {
    body: entry.canonicalizedBody,
    integratedTime: Number(entry.integratedTime),
    logIndex: Number(entry.logIndex),
    logID: Buffer.from(entry.logId.keyId, "base64").toString("hex"),
  };
  const promise = entry?.inclusionPromise?.signedEntryTimestamp;
  return {
    "dev.cosignproject.cosign/signature": message?.signature ?? "",
    ...(leaf && {
      "dev.sigstore.cosign/certificate": pemOf(leaf),
      "dev.sigstore.cosign/chain": pemOf(...world.fulcio.chain),
    }),
    ...(promise !== undefined && {
      "dev.sigstore.cosign/bundle": JSON.stringify({ SignedEntryTimestamp: promise, Payload: payload }),
    }),
    ...(stamp && {
      "dev.sigstore.cosign/rfc3161timestamp": JSON.stringify({ SignedRFC3161Timestamp: stamp.signedTimestamp }),
    }),
  };
}
