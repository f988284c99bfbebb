import type { Digest } from "../crypto/digest.ts";
import type { PublicKey } from "../crypto/public-key.ts";
import type { Mirror } from "../oci/mirrors.ts";

export type PolicyMode = "enforce" | "warn" | "audit";

/** At least one item: an empty list of authorities or images does not load. */
export type NonEmpty<T> = readonly [T, ...T[]];

/** Which images: `glob` speaks of registry/repository, `tags` (globs) of the tag; no `tags` means every tag. */
export interface ImagePattern {
  readonly glob: string;
  readonly tags?: NonEmpty<string>;
}

/** Which objects a policy applies to; every field present must match, an absent one matches all. */
export interface ObjectMatch {
  readonly apiGroups?: NonEmpty<string>;
  readonly resources?: NonEmpty<string>;
  /** Globs. */
  readonly namespaces?: NonEmpty<string>;
  readonly objectSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
}

/** The time in which a key counts, in milliseconds since 1970; compared with verified times (DESIGN 6.1, "Time"). */
export interface KeyLifetime {
  readonly validFrom?: number;
  readonly validUntil?: number;
  readonly revoked?: { readonly at: number; readonly reason: string };
  /** Signatures, by the digest that a Verdict names as evidence, that count although the key is revoked or its time over. */
  readonly frozen?: readonly Digest[];
}

/** A trusted signer: any of its public keys. Authorities with the same owner count once. */
export interface KeyAuthority {
  readonly kind: "key";
  readonly name: string;
  readonly owner?: string;
  readonly keys: NonEmpty<PublicKey>;
  readonly lifetime?: KeyLifetime;
  /** Annotations that a signature must carry to count, exactly. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export type Authority = KeyAuthority;

/** What a signature must say about time and name to count. Durations in milliseconds. */
export interface Freshness {
  /** How long after its creation a signature counts. */
  readonly maxAge?: number;
  /** `required`: the signature must bind the repository and tag of the reference. `optional`: what it binds must be that. */
  readonly tagBinding: "required" | "optional";
  /** Whether a reference by digest alone passes where a tag must be bound. */
  readonly digestOnly: "allow" | "deny";
  /** How much longer a reference that names the digest passes. */
  readonly grace: number;
}

/** One policy as loaded; `source` says where from, for messages. */
export interface TrustPolicy {
  readonly name: string;
  /** Undefined: a ClusterTrustPolicy. Else a TrustPolicy of that namespace, which can only add denials there. */
  readonly namespace?: string;
  readonly mode: PolicyMode;
  readonly images: NonEmpty<ImagePattern>;
  readonly exclude: readonly string[];
  readonly match: readonly ObjectMatch[];
  readonly authorities: NonEmpty<Authority>;
  readonly threshold: number;
  readonly freshness?: Freshness;
  /** Signatures that never count, by the digest that a Verdict names as evidence. */
  readonly revokedSignatures?: readonly Digest[];
  /** Whether the name inside a signature matters; `any` where absent. */
  readonly signedIdentity?: "any" | "repository" | "exact";
  /** Of an index, what must be signed; `index` where absent. */
  readonly platforms?: "index" | "each" | "index-or-each";
  readonly mirrors?: readonly Mirror[];
  readonly source: string;
}

/** Policies that took effect together. `revision` changes whenever one of them does. */
export interface PolicySet {
  readonly policies: readonly TrustPolicy[];
  readonly revision: string;
}

/** What is known of the Kubernetes object that names the image. */
export interface ObjectContext {
  readonly apiGroup: string;
  /** Plural, lower case: `pods`, `deployments`. */
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}
