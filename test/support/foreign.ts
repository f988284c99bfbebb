import { formatPublicKey } from "../../src/crypto/public-key.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parsePolicies } from "../../src/policy/parse.ts";
import type { PolicySet, TrustPolicy } from "../../src/policy/policy.ts";
import { toPolicySet } from "../../src/policy/policy-set.ts";
import type { World } from "./sigstore/world.ts";
import type { Issued } from "./x509.ts";
import { pemOf } from "./x509.ts";

/** The PEM of a signer's key. */
export const pem = ({ publicKey }: Signer): string => formatPublicKey(publicKey);

/** A ClusterImagePolicy that speaks about every image. */
export function imagePolicy(spec: object, name = "p"): object {
  return {
    apiVersion: "policy.sigstore.dev/v1beta1",
    kind: "ClusterImagePolicy",
    metadata: { name },
    spec: { images: [{ glob: "**" }], ...spec },
  };
}

/** Objects as they load from one file. */
export async function foreignSet(...documents: readonly object[]): Promise<PolicySet> {
  const text = documents.map((document) => JSON.stringify(document)).join("\n---\n");
  return toPolicySet([await parsePolicies(text, "test.yaml")]);
}

/** The policy of a ClusterImagePolicy with that spec, beside other objects. */
export async function foreignPolicy(spec: object, ...others: readonly object[]): Promise<TrustPolicy> {
  const { policies } = await foreignSet(imagePolicy(spec), ...others);
  const [policy] = policies;
  if (policy === undefined) throw new Error("no policy");
  return policy;
}

const encode = (text: string) => Buffer.from(text).toString("base64");
const chainOf = (chain: readonly Issued[]) => encode(pemOf(...chain));

/** The keys of a Sigstore of the tests, as policy-controller's TrustRoot has them. */
export function sigstoreKeysOf({ fulcio, tsa, timestamper, ctlog, rekor }: World): object {
  const subject = { organization: "sigstore.test", commonName: "sigstore" };
  const logOf = (key: { readonly name: string; readonly publicKey: import("node:crypto").KeyObject }) => ({
    baseURL: `https://${key.name}`,
    hashAlgorithm: "sha-256",
    publicKey: encode(key.publicKey.export({ type: "spki", format: "pem" }).toString()),
  });
  return {
    certificateAuthorities: [{ subject, uri: "https://fulcio.sigstore.test", certChain: chainOf(fulcio.chain) }],
    tLogs: [logOf(rekor.key)],
    ctLogs: [logOf(ctlog)],
    timestampAuthorities: [
      { subject, uri: "https://tsa.sigstore.test", certChain: chainOf([timestamper, ...tsa.chain]) },
    ],
  };
}

export function foreignRoot(name: string, spec: object): object {
  return { apiVersion: "policy.sigstore.dev/v1alpha1", kind: "TrustRoot", metadata: { name }, spec };
}
