import type { Digest } from "../crypto/digest.ts";
import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";
import type { IdentityMatcher, IdentityRule } from "../crypto/x509-identity.ts";
import type { Mirror } from "../oci/mirrors.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { CertificateTrust } from "../trust/certificate-trust.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import type { Condition } from "./condition.ts";
import type { TrustException } from "./exception.ts";
import type { Problem } from "./problem.ts";

export type PolicyMode = "enforce" | "warn" | "audit";

/** At least one item: an empty list of authorities or images does not load. */
export type NonEmpty<T> = readonly [T, ...T[]];

/** Which images: `glob` speaks of registry/repository, `tags` (globs) of the tag; no `tags` means every tag. */
export interface ImagePattern {
  readonly glob: string;
  /** `names`: the glob speaks of whole names with tag or digest, as those of a ClusterImagePolicy do (`foreign/name-glob.ts`). */
  readonly speaksOf?: "names";
  readonly tags?: NonEmpty<string>;
}

/** Which objects a policy applies to; every field present must match, an absent one matches all. */
export interface ObjectMatch {
  readonly apiGroups?: NonEmpty<string>;
  readonly resources?: NonEmpty<string>;
  /** Globs. */
  readonly namespaces?: NonEmpty<string>;
  /** Labels of the namespace. Where they are not known, the policy applies, but counts as no match. */
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}

/** A Kubernetes label selector: everything in it must hold. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelExpression[];
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** Empty for `Exists` and `DoesNotExist`. */
  readonly values: readonly string[];
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
  /** Whose logs and timestamp authorities prove times; without one no time is verified. */
  readonly root?: TrustRoot;
  /** Evidence by that root that a signature must have. */
  readonly require?: { readonly log: boolean; readonly timestamp: boolean };
  /** Annotations that a signature must carry to count, exactly. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What weakens the authority, in words for the Verdict. */
  readonly unsafe?: readonly string[];
}

/** Whom a certificate must name; the words of the policy, and what they mean. */
export interface CertificateIdentity extends IdentityRule {
  readonly matches: IdentityMatcher;
}

/** Trusted certificate authorities of one's own, and whom their certificates must name: any of the identities. */
export interface CertificateAuthority {
  readonly kind: "certificate";
  readonly name: string;
  readonly owner?: string;
  readonly trust: CertificateTrust;
  readonly identities: NonEmpty<CertificateIdentity>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Whom an OIDC issuer must have vouched for; the words of the policy, and what they mean. */
export interface KeylessIdentity {
  readonly issuer?: string | undefined;
  readonly issuerRegex?: string | undefined;
  readonly subject?: string | undefined;
  readonly subjectRegex?: string | undefined;
  /** Certificate extensions by name, exactly. */
  readonly claims?: Readonly<Partial<Record<string, string>>> | undefined;
  /** Of a certificate with a proved path: the issuer and the subject that fit, or nothing. */
  readonly matches: (certificate: Certificate) => { readonly issuer: string; readonly subject: string } | undefined;
}

/** Trusted identities that certificates of a trust root name: any of them. */
export interface KeylessAuthority {
  readonly kind: "keyless";
  readonly name: string;
  readonly owner?: string;
  readonly root: TrustRoot;
  readonly identities: NonEmpty<KeylessIdentity>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** What weakens the authority, in words for the Verdict. */
  readonly unsafe?: readonly string[];
}

/** A trusted signer. */
export type Authority = KeyAuthority | CertificateAuthority | KeylessAuthority;

/** What a policy says of an image in the open, without a signature. Kept apart from signers: it never counts as one. */
export interface StaticAuthority {
  readonly name: string;
  readonly action: "pass" | "fail";
  readonly message?: string;
}

/** An authority, or a rule, that is written down and that this program cannot judge by: it never lets an image pass. */
export interface Unusable {
  readonly name: string;
  /** Why, and what would be needed. */
  readonly reason: string;
  readonly expected: string;
  /** The object of a cluster that could not be read, as kubectl names it: all that it may be about is refused. */
  readonly object?: string;
}

/** Where signatures of the images of a policy are looked for, beside the repository of the image. */
export interface SignaturePlace {
  readonly repository: RepositoryName;
  /** What tags of signatures begin with. */
  readonly tagPrefix?: string;
}

/** An attestation that an image must have. */
export interface AttestationRequirement {
  readonly name: string;
  readonly predicateType: string;
  /** Names of authorities of the policy, one of whom must have attested; absent: any of them. */
  readonly authorities?: NonEmpty<string>;
  /** Milliseconds since its creation, which must be signed or verified. */
  readonly maxAge?: number;
  readonly condition?: Condition;
  /** `latest`: the youngest of those by the authorities must meet all this. `any`: one of them. */
  readonly select: "latest" | "any";
}

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
  /** Who can sign; empty only beside `statics`. */
  readonly authorities: readonly Authority[];
  readonly statics?: NonEmpty<StaticAuthority>;
  /** Names that never pass, whatever the image: those of authorities, beside others, or of a rule. */
  readonly unusable?: NonEmpty<Unusable>;
  /**
   * Each authority is a policy by itself, with the attestations that name it in place of a signature; any of them is enough
   * (`alternatives.ts`).
   */
  readonly anyOf?: true;
  readonly threshold: number;
  readonly freshness?: Freshness;
  /** Signatures that never count, by the digest that a Verdict names as evidence. */
  readonly revokedSignatures?: readonly Digest[];
  /** Whether the name inside a signature matters; `any` where absent. */
  readonly signedIdentity?: "any" | "repository" | "exact";
  /** Of an index, what must be signed; `index` where absent. */
  readonly platforms?: "index" | "each" | "index-or-each";
  readonly mirrors?: readonly Mirror[];
  readonly signaturesAt?: NonEmpty<SignaturePlace>;
  readonly attestations?: NonEmpty<AttestationRequirement>;
  /** Over image, config and object; must hold beside all else. */
  readonly condition?: Condition;
  readonly source: string;
}

/** Policies that took effect together. `revision` changes whenever one of them does. */
export interface PolicySet {
  readonly policies: readonly TrustPolicy[];
  readonly exceptions?: readonly TrustException[];
  /** What took effect otherwise than its author may think. */
  readonly warnings?: readonly Problem[];
  /** The TUF repositories that trust roots are fetched from. */
  readonly tufRoots?: readonly TufSource[];
  readonly revision: string;
}

/** What is known of the Kubernetes object that names the image. */
export interface ObjectContext {
  readonly apiGroup: string;
  /** Plural, lower case: `pods`, `deployments`. */
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly name?: string | undefined;
  /** `Pod`, `Deployment`. */
  readonly kind?: string | undefined;
  /** Labels of the namespace, where they are known. */
  readonly namespaceLabels?: Readonly<Record<string, string>> | undefined;
}
