import { hash } from "node:crypto";
import { base64, jcs } from "./jcs.ts";
import { checkpoint, type LogKey } from "./log-key.ts";
import { createTree, type MerkleTree } from "./merkle.ts";
import type { Json } from "./rekor-v1.ts";

/** A log as Rekor v2 keeps it: checkpoints and tiles, no promises, no times. */
export interface RekorV2 {
  readonly key: LogKey;
  readonly tree: MerkleTree;
  append(body: string): number;
  /** A TransparencyLogEntry in protobuf's JSON. */
  entry(index: number, size?: number): Json;
  checkpoint(size?: number): string;
}

export function createRekorV2(key: LogKey, witnesses: readonly LogKey[] = []): RekorV2 {
  const tree = createTree();
  const head = (size = tree.size) => checkpoint(key, { origin: key.name, size, root: tree.root(size), witnesses });
  const log: RekorV2 = {
    key,
    tree,
    append: (body) => tree.append(Buffer.from(body)),
    checkpoint: head,
    entry(index, size = tree.size) {
      const body = tree.leaf(index) ?? Buffer.from("{}");
      const { kind, apiVersion } = JSON.parse(body.toString());
      return {
        logIndex: String(index),
        logId: { keyId: base64(key.logId) },
        kindVersion: { kind, version: apiVersion },
        integratedTime: "0",
        inclusionProof: {
          logIndex: String(index),
          rootHash: base64(tree.root(size)),
          treeSize: String(size),
          hashes: tree.inclusion(index, size).map(base64),
          checkpoint: { envelope: head(size) },
        },
        canonicalizedBody: base64(body),
      };
    },
  };
  for (const seed of ["first", "second"]) log.append(jcs({ seed }));
  return log;
}

const hashNames: Readonly<Record<number, string>> = { 32: "SHA2_256", 48: "SHA2_384", 64: "SHA2_512" };

/** The canonical body of what a client asks to log; throws what the log would refuse. */
// biome-ignore lint/suspicious/noExplicitAny: requests of clients under test; a wrong one is answered with 400
export function canonicalBodyV2({ hashedRekordRequestV002: hashed, dsseRequestV002: dsse }: any): string {
  if (hashed !== undefined) {
    const { digest, signature } = hashed;
    const algorithm = hashNames[Buffer.from(digest, "base64").length];
    if (algorithm === undefined) throw new Error("unknown digest");
    const data = { algorithm, digest };
    const signed = { content: signature.content, verifier: verifierOf(signature.verifier) };
    return body("hashedrekord", { hashedRekordV002: { data, signature: signed } });
  }
  const payload = Buffer.from(dsse.envelope.payload, "base64");
  const [verifier] = dsse.verifiers;
  const signatures = dsse.envelope.signatures.map(({ sig }: { sig: string }) => ({
    content: sig,
    verifier: verifierOf(verifier),
  }));
  const payloadHash = { algorithm: "SHA2_256", digest: base64(hash("sha256", payload, "buffer")) };
  return body("dsse", { dsseV002: { payloadHash, signatures } });
}

const body = (kind: string, spec: Json) => jcs({ apiVersion: "0.0.2", kind, spec });

// biome-ignore lint/suspicious/noExplicitAny: as above
function verifierOf({ keyDetails, x509Certificate, publicKey }: any): Json {
  const { rawBytes } = x509Certificate ?? publicKey;
  return { keyDetails, [x509Certificate === undefined ? "publicKey" : "x509Certificate"]: { rawBytes } };
}

/** What stands behind a path of C2SP tlog-tiles, or undefined: `checkpoint`, `tile/L/N[.p/W]`, `tile/entries/N[.p/W]`. */
export function tileAt({ tree, checkpoint }: RekorV2, path: string): Uint8Array | undefined {
  if (path === "checkpoint") return Buffer.from(checkpoint());
  const [, level = "", number = "", partial] =
    /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
  if (level === "") return undefined;
  const index = Number(number.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? 256 : Number(partial);
  if (level !== "entries") {
    const hashes = tree.tile(Number(level), index);
    return hashes.length < width ? undefined : Buffer.concat(hashes.slice(0, width));
  }
  if (256 * index + width > tree.size) return undefined;
  const leaves = Array.from({ length: width }, (_, at) => tree.leaf(256 * index + at) ?? Buffer.alloc(0));
  const length = ({ length }: Buffer) => Buffer.of(length >> 8, length & 0xff);
  return Buffer.concat(leaves.flatMap((leaf) => [length(leaf), leaf]));
}
