import { hash } from "node:crypto";
import { type Issued, type KeyPair, pemOf, spkiOf } from "../x509.ts";
import type { Signed } from "./bundles.ts";
import { base64, jcs } from "./jcs.ts";
import { keyDetailsOf } from "./log-key.ts";
import { canonicalBody, type Json, type LogEntryV1 } from "./rekor-v1.ts";
import { canonicalBodyV2 } from "./rekor-v2.ts";
import type { World } from "./world.ts";

/** Where a signature is logged, and as what. */
export interface LogRecipe {
  /** `promise`: Rekor v1 with a SET only; `v1`: with SET and proof; `proof`: v1 with a proof only. */
  readonly log?: "none" | "promise" | "v1" | "proof" | "v2";
  /** By default `dsse` for envelopes (v2: `hashedrekord`, as cosign does), `hashedrekord` for messages. */
  readonly kind?: "hashedrekord" | "dsse" | "intoto";
  /** Changes the body before it is logged. */
  readonly body?: (body: Json) => Json;
  /** How many entries come after it, and stand in the tree of its proof. */
  readonly later?: number;
}

interface ToLog extends Signed {
  readonly key: KeyPair;
  readonly leaf: Issued | undefined;
  readonly at: number;
}

/** Logs what was signed, and gives the entry as a bundle holds it; undefined where nothing is to be logged. */
export function logged(world: World, recipe: LogRecipe, what: ToLog): Json | undefined {
  const { log = "v1", later = 0 } = recipe;
  if (log === "none") return undefined;
  const version = log === "v2" ? 2 : 1;
  const kind = recipe.kind ?? (what.envelope === undefined || version === 2 ? "hashedrekord" : "dsse");
  const canonical = version === 2 ? bodyV2(kind, what) : bodyV1(kind, what);
  const body = recipe.body === undefined ? canonical : jcs(recipe.body(JSON.parse(canonical)));
  const index = version === 2 ? world.rekor2.append(body) : world.rekor.append(body, Math.floor(what.at / 1000));
  for (let more = 0; more < later; more++) append(world, version, what.at);
  if (version === 2) return world.rekor2.entry(index);
  const entry = entryOf(world.rekor.entry(index));
  const { inclusionPromise, inclusionProof, ...rest } = entry;
  return log === "promise" ? { ...rest, inclusionPromise } : log === "proof" ? { ...rest, inclusionProof } : entry;
}

let fillers = 0;
function append({ rekor, rekor2 }: World, version: 1 | 2, at: number): void {
  const filler = jcs({ apiVersion: "0.0.1", kind: "filler", spec: fillers++ });
  if (version === 2) rekor2.append(filler);
  else rekor.append(filler, Math.floor(at / 1000));
}

function bodyV1(kind: string, { signature, hash: name, digest, envelope, key, leaf }: ToLog): string {
  const pem = leaf === undefined ? key.publicKey.export({ type: "spki", format: "pem" }) : pemOf(leaf);
  const verifier = base64(Buffer.from(pem));
  if (kind === "hashedrekord") {
    const data = { hash: { algorithm: name, value: digest.toString("hex") } };
    const signed = { content: base64(signature), publicKey: { content: verifier } };
    return canonicalBody({ apiVersion: "0.0.1", kind, spec: { data, signature: signed } });
  }
  if (envelope === undefined) throw new Error(`${kind} entries are for envelopes`);
  if (kind === "dsse") {
    const proposedContent = { envelope: JSON.stringify(envelope), verifiers: [verifier] };
    return canonicalBody({ apiVersion: "0.0.1", kind, spec: { proposedContent } });
  }
  const sha256 = (bytes: Uint8Array) => ({ algorithm: "sha256", value: hash("sha256", bytes) });
  const signatures = [{ publicKey: verifier, sig: base64(Buffer.from(base64(signature))) }];
  const content = {
    envelope: { payloadType: envelope.payloadType, signatures },
    hash: sha256(Buffer.from(jcs(envelope))),
    payloadHash: sha256(Buffer.from(envelope.payload, "base64")),
  };
  return canonicalBody({ apiVersion: "0.0.2", kind, spec: { content } });
}

function bodyV2(kind: string, { signature, digest, envelope, key, leaf }: ToLog): string {
  const rawBytes = base64(leaf?.der ?? spkiOf(key));
  const verifier = { keyDetails: keyDetailsOf(key), [leaf ? "x509Certificate" : "publicKey"]: { rawBytes } };
  return kind === "dsse"
    ? canonicalBodyV2({ dsseRequestV002: { envelope, verifiers: [verifier] } })
    : canonicalBodyV2({
        hashedRekordRequestV002: { digest: base64(digest), signature: { content: base64(signature), verifier } },
      });
}

/** An entry of Rekor v1 as a TransparencyLogEntry in protobuf's JSON. */
export function entryOf({ body, integratedTime, logID, logIndex, verification }: LogEntryV1): Json {
  const { inclusionProof: proof, signedEntryTimestamp } = verification;
  const { kind, apiVersion } = JSON.parse(Buffer.from(body, "base64").toString());
  const fromHex = (text: string) => base64(Buffer.from(text, "hex"));
  return {
    logIndex: String(logIndex),
    logId: { keyId: fromHex(logID) },
    kindVersion: { kind, version: apiVersion },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(proof.logIndex),
      rootHash: fromHex(proof.rootHash),
      treeSize: String(proof.treeSize),
      hashes: proof.hashes.map(fromHex),
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: body,
  };
}
