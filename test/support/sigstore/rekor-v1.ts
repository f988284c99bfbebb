import { createHash, createPublicKey, verify, X509Certificate } from "node:crypto";
import { dssePae } from "../../../src/crypto/dsse.ts";
import { base64, jcs } from "./jcs.ts";
import { checkpoint, type LogKey, signUsual } from "./log-key.ts";
import { createTree, leafHash, type MerkleTree } from "./merkle.ts";

export type Json = Readonly<Record<string, unknown>>;

/** An entry as Rekor v1 answers it. */
export interface LogEntryV1 {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly hashes: readonly string[];
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
    readonly signedEntryTimestamp: string;
  };
}

/** A log as Rekor v1 keeps it: one shard behind older ones, so that global and tree indexes differ. */
export interface RekorV1 {
  readonly key: LogKey;
  readonly tree: MerkleTree;
  readonly treeId: string;
  /** Puts a canonical body into the tree at a time, in seconds. */
  append(body: string, at: number): number;
  entry(index: number, options?: EntryOptions): LogEntryV1;
  uuid(index: number): string;
  indexOf(uuid: string): number | undefined;
  checkpoint(size?: number): string;
}

export interface EntryOptions {
  /** Of the tree that the proof is for. */
  readonly size?: number;
  readonly integratedTime?: number;
}

export const shardOffset = 5_000_000;
const treeId = "1193050959916656506";

export function createRekorV1(key: LogKey): RekorV1 {
  const tree = createTree();
  const times: number[] = [];
  const uuids = new Map<string, number>();
  const append = (body: string, at: number): number => {
    const index = tree.append(Buffer.from(body));
    times[index] = at;
    uuids.set(uuid(index), index);
    return index;
  };
  const uuid = (index: number) =>
    BigInt(treeId).toString(16).padStart(16, "0") + leafHash(tree.leaf(index) ?? Buffer.alloc(0)).toString("hex");
  const head = (size = tree.size) =>
    checkpoint(key, { origin: `${key.name} - ${treeId}`, size, root: tree.root(size) });
  const log: RekorV1 = {
    key,
    tree,
    treeId,
    append,
    uuid,
    indexOf: (id) => uuids.get(id.slice(-64).padStart(80, uuid(0).slice(0, 16))),
    checkpoint: head,
    entry(index, { size = tree.size, integratedTime = times[index] ?? 0 } = {}) {
      const body = base64(tree.leaf(index) ?? Buffer.alloc(0));
      const promised = { body, integratedTime, logID: key.logId.toString("hex"), logIndex: shardOffset + index };
      return {
        ...promised,
        verification: {
          inclusionProof: {
            checkpoint: head(size),
            hashes: tree.inclusion(index, size).map((node) => node.toString("hex")),
            logIndex: index,
            rootHash: tree.root(size).toString("hex"),
            treeSize: size,
          },
          signedEntryTimestamp: base64(signUsual(key, Buffer.from(jcs(promised)))),
        },
      };
    },
  };
  for (const seed of ["first", "second"]) append(seed, 1_600_000_000);
  return log;
}

const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const hashOf = (value: string) => ({ algorithm: "sha256", value });

/** The canonical body of what a client proposes; throws what the log would refuse. */
export function canonicalBody(proposed: Json): string {
  const make = bodies[`${proposed["kind"]} ${proposed["apiVersion"]}`];
  if (make === undefined) throw new Error(`unsupported entry ${proposed["kind"]} ${proposed["apiVersion"]}`);
  const { kind, apiVersion } = proposed;
  return jcs({ apiVersion, kind, spec: make(proposed["spec"]) });
}

// biome-ignore lint/suspicious/noExplicitAny: requests of clients under test; a wrong one is answered with 400
type Request = any;
const bodies: Readonly<Record<string, (spec: Request) => Json>> = {
  "hashedrekord 0.0.1": ({ data, signature }) => {
    parseVerifier(signature.publicKey.content);
    return {
      data: { hash: { algorithm: data.hash.algorithm, value: data.hash.value } },
      signature: { content: signature.content, publicKey: { content: signature.publicKey.content } },
    };
  },
  "dsse 0.0.1": ({ proposedContent: { envelope, verifiers } }) => {
    const { payload, payloadType, signatures } = JSON.parse(envelope);
    const content = Buffer.from(payload, "base64");
    const signed = signatures.map(({ sig }: { sig: string }) => {
      const verifier = verifiers.find((key: string) => matches(key, dssePae(payloadType, content), sig));
      if (verifier === undefined) throw new Error("signature does not match");
      return { signature: sig, verifier };
    });
    return { envelopeHash: hashOf(sha256(envelope)), payloadHash: hashOf(sha256(content)), signatures: signed };
  },
  "intoto 0.0.1": ({ content, publicKey }) => {
    const { payload } = JSON.parse(content.envelope);
    const payloadHash = hashOf(sha256(Buffer.from(payload, "base64")));
    return { content: { hash: hashOf(sha256(content.envelope)), payloadHash }, publicKey };
  },
  "intoto 0.0.2": ({ content: { envelope, hash, payloadHash } }) => {
    const { payloadType, signatures } = envelope;
    return { content: { envelope: { payloadType, signatures }, hash, payloadHash } };
  },
};

/** The key of a certificate or public key in base64 of PEM. */
export function parseVerifier(content: string) {
  const pem = Buffer.from(content, "base64").toString();
  return pem.includes("CERTIFICATE") ? new X509Certificate(pem).publicKey : createPublicKey(pem);
}

function matches(verifier: string, message: Uint8Array, signature: string): boolean {
  const key = parseVerifier(verifier);
  const hashes = key.asymmetricKeyType === "ed25519" ? [null] : ["sha256", "sha384", "sha512"];
  return hashes.some((name) => verify(name, message, key, Buffer.from(signature, "base64")));
}
