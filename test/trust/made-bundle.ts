import { createHash, type KeyObject, sign } from "node:crypto";
import { dssePae } from "../../src/crypto/dsse.ts";
import type { PublicKey } from "../../src/crypto/public-key.ts";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { type BundleVersion, parseBundleMaterial } from "../../src/trust/bundle-material.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { envelopeContent, messageContent, type SignedContent } from "../../src/trust/signed-content.ts";
import type { TrustRoot } from "../../src/trust/trust-root.ts";
import { type MaterialRequest, type ProvedMaterial, verifyMaterial } from "../../src/trust/verify-material.ts";
import { issueIdentity, type LeafSpec } from "../support/sigstore/authority.ts";
import { githubClaims } from "../support/sigstore/claims.ts";
import { base64, jcs } from "../support/sigstore/jcs.ts";
import type { RekorV1 } from "../support/sigstore/rekor-v1.ts";
import { type TimestampSpec, timestampResponse } from "../support/sigstore/timestamp.ts";
import { createWorld, trustedRootOf, type World, type WorldOptions } from "../support/sigstore/world.ts";
import { ecKey, type Issued, type KeyPair, pemOf, spkiOf } from "../support/x509.ts";

// Signatures with all that is around them, made in memory, so that tests can make each part of them wrong.

/** The moment of all these signatures. */
export const signedAt = Date.UTC(2026, 9, 1, 12);

export const newWorld = (options: WorldOptions = {}): World =>
  createWorld({ now: () => signedAt, curve: "P-256", ...options });

// biome-ignore lint/suspicious/noExplicitAny: tests change fields of any shape
export type Json = any;

export const rootOf = (world: World, change: (root: Json) => void = () => undefined, require?: unknown): TrustRoot => {
  const root = structuredClone(trustedRootOf(world)) as Json;
  change(root);
  return parseTrustRoot(Buffer.from(JSON.stringify(root)), { name: "test", source: { kind: "file" }, require });
};

export type EntryKind = "hashedrekord 0.0.1" | "dsse 0.0.1" | "intoto 0.0.2" | "hashedrekord 0.0.2" | "dsse 0.0.2";

export interface MadeSpec {
  readonly content?: "dsse" | "message";
  readonly entries?: readonly EntryKind[];
  readonly timestamps?: readonly Partial<TimestampSpec>[];
  readonly leaf?: Partial<LeafSpec>;
  /** A plain key instead of a certificate. */
  readonly plain?: boolean;
  readonly key?: KeyPair;
  /** Of the log, in seconds. */
  readonly integratedTime?: number;
  readonly body?: (body: Json) => void;
}

export interface Made {
  readonly world: World;
  /** `verificationMaterial`. */
  readonly material: Json;
  readonly content: SignedContent;
  readonly key: PublicKey | undefined;
  readonly leaf: Issued | undefined;
}

const payloadType = "application/vnd.in-toto+json";
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

export function make(world: World, spec: MadeSpec = {}): Made {
  const { content = "dsse", entries = ["dsse 0.0.1"], timestamps = [], plain = false, key = ecKey() } = spec;
  const payload = Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}');
  const signed = content === "dsse" ? dssePae(payloadType, payload) : payload;
  const signature = signBy(key.privateKey, signed);
  const leaf = plain ? undefined : issueLeaf(world, key, spec.leaf);
  const envelope = { payloadType, payload, signature, signed };
  const about = { signature, signed, payload, key, leaf };
  return {
    world,
    leaf,
    key: plain ? toPublicKey(key.publicKey) : undefined,
    content: content === "dsse" ? envelopeContent(envelope) : messageContent(signature, { sha256: sha256(payload) }),
    material: {
      ...(leaf === undefined
        ? { publicKey: { hint: base64(sha256(spkiOf(key))) } }
        : { certificate: { rawBytes: base64(leaf.der) } }),
      tlogEntries: entries.map((kind) => entryOf(world, kind, about, spec)),
      timestampVerificationData: {
        rfc3161Timestamps: timestamps.map((stamp) => ({ signedTimestamp: base64(stampOf(world, signature, stamp)) })),
      },
    },
  };
}

function signBy(key: KeyObject, data: Uint8Array): Buffer {
  return sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", data, key);
}

export function issueLeaf(world: World, key: KeyPair, spec: Partial<LeafSpec> = {}): Issued {
  const { fulcio: authority, ctlog } = world;
  return issueIdentity({ authority, key, claims: githubClaims(), at: signedAt - 60_000, logs: [ctlog], ...spec });
}

export function stampOf(world: World, signature: Uint8Array, spec: Partial<TimestampSpec> = {}): Buffer {
  const { tsa: authority, timestamper: signer } = world;
  return timestampResponse({ hash: "sha256", imprint: sha256(signature), authority, signer, at: signedAt, ...spec });
}

interface About {
  readonly signature: Buffer;
  readonly signed: Buffer;
  readonly payload: Buffer;
  readonly key: KeyPair;
  readonly leaf: Issued | undefined;
}

function entryOf(world: World, kind: EntryKind, about: About, { body: change, integratedTime }: MadeSpec): Json {
  const [name, apiVersion] = kind.split(" ");
  const body = { apiVersion, kind: name, spec: specs[kind](about) };
  change?.(body);
  if (apiVersion === "0.0.2" && name !== "intoto") return world.rekor2.entry(world.rekor2.append(jcs(body)));
  const { rekor } = world;
  return v1Entry(rekor, rekor.append(jcs(body), integratedTime ?? signedAt / 1000), body);
}

/** An entry of Rekor v1 as bundles have it. */
function v1Entry(rekor: RekorV1, index: number, { kind, apiVersion }: Json): Json {
  const entry = rekor.entry(index);
  const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
  const fromHex = (text: string) => base64(Buffer.from(text, "hex"));
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: fromHex(entry.logID) },
    kindVersion: { kind, version: apiVersion },
    integratedTime: String(entry.integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(proof.logIndex),
      rootHash: fromHex(proof.rootHash),
      treeSize: String(proof.treeSize),
      hashes: proof.hashes.map(fromHex),
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: entry.body,
  };
}

const hexHash = (bytes: Uint8Array) => ({ algorithm: "sha256", value: sha256(bytes).toString("hex") });
const verifierPem = ({ key, leaf }: About) =>
  base64(
    Buffer.from(leaf === undefined ? key.publicKey.export({ type: "spki", format: "pem" }).toString() : pemOf(leaf)),
  );
const verifierV2 = ({ key, leaf }: About) => ({
  keyDetails: "PKIX_ECDSA_P256_SHA_256",
  ...(leaf === undefined
    ? { publicKey: { rawBytes: base64(spkiOf(key)) } }
    : { x509Certificate: { rawBytes: base64(leaf.der) } }),
});

const specs: Readonly<Record<EntryKind, (about: About) => Json>> = {
  "hashedrekord 0.0.1": (about) => ({
    data: { hash: hexHash(about.signed) },
    signature: { content: base64(about.signature), publicKey: { content: verifierPem(about) } },
  }),
  "dsse 0.0.1": (about) => ({
    envelopeHash: hexHash(Buffer.from("the envelope as it was sent")),
    payloadHash: hexHash(about.payload),
    signatures: [{ signature: base64(about.signature), verifier: verifierPem(about) }],
  }),
  "intoto 0.0.2": (about) => ({
    content: {
      envelope: {
        payloadType,
        signatures: [{ publicKey: verifierPem(about), sig: base64(Buffer.from(base64(about.signature))) }],
      },
      hash: hexHash(Buffer.from("the envelope as it was sent")),
      payloadHash: hexHash(about.payload),
    },
  }),
  "hashedrekord 0.0.2": (about) => ({
    hashedRekordV002: {
      data: { algorithm: "SHA2_256", digest: base64(sha256(about.signed)) },
      signature: { content: base64(about.signature), verifier: verifierV2(about) },
    },
  }),
  "dsse 0.0.2": (about) => ({
    dsseV002: {
      payloadHash: { algorithm: "SHA2_256", digest: base64(sha256(about.payload)) },
      signatures: [{ content: base64(about.signature), verifier: verifierV2(about) }],
    },
  }),
};

/** Verifies what was made, after a change of its JSON. */
export function prove(
  made: Made,
  options: {
    readonly root?: TrustRoot;
    readonly change?: (material: Json) => void;
    readonly version?: BundleVersion;
    readonly require?: MaterialRequest["require"];
    readonly content?: SignedContent;
  } = {},
): Promise<ProvedMaterial> {
  const { root = rootOf(made.world), change, version = "0.3", require, content = made.content } = options;
  const json = structuredClone(made.material);
  change?.(json);
  return Promise.resolve().then(() =>
    verifyMaterial({ material: parseBundleMaterial(json, version), content, root, key: made.key, require }),
  );
}
