import { createPublicKey, type KeyObject } from "node:crypto";
import type { WrittenObject } from "./memory-cluster.ts";

/** The public half of a key, PEM. */
export function pemOfKey(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
}

/** A policy for every image with one authority of that key: `{ data }` or `{ secretRef }`. Of the cluster, or of a namespace. */
export function keyPolicy(name: string, key: object, namespace?: string): WrittenObject {
  return policyObject(name, [{ name: "a", key }], namespace);
}

/** A policy for every image whose signers have certificates under the root of that name. */
export function rootPolicy(name: string, trustRoot: string): WrittenObject {
  const identities = [{ issuer: "https://issuer.example", subject: "ci" }];
  return policyObject(name, [{ name: "a", keyless: { identities, trustRoot } }]);
}

function policyObject(name: string, authorities: readonly object[], namespace?: string): WrittenObject {
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: namespace === undefined ? "ClusterTrustPolicy" : "TrustPolicy",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec: { images: [{ glob: "**" }], authorities },
  };
}

/** A Secret with these texts. */
export function secretObject(name: string, namespace: string, texts: Readonly<Record<string, string>>): WrittenObject {
  const data = Object.entries(texts).map(([entry, text]) => [entry, Buffer.from(text).toString("base64")]);
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, data: Object.fromEntries(data) };
}

/** Waits until it holds; throws where it never does. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await condition()); i++) {
    if (i > 400) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 10));
  }
}
