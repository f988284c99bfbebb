import { randomBytes } from "node:crypto";
import { integer, sequence } from "../../crypto/der.ts";
import {
  algorithms,
  authorityKeyId,
  basicConstraints,
  codeSigning,
  eku,
  extension,
  type Issued,
  issue,
  issueAuthority,
  type KeyPair,
  keyUsage,
  type NameSpec,
  oid,
  type SigningAlgorithm,
  san,
  subjectKeyId,
} from "../x509.ts";
import { type Claims, claimExtensions, nameOf } from "./claims.ts";
import { sct, sctExtension, sctList, tbsOf } from "./ct-log.ts";
import { type LogKey, usualHash } from "./log-key.ts";

const day = 86_400_000;
const minute = 60_000;

/** A certificate authority: what issues, and its chain from there to the root. */
export interface Authority {
  readonly issuer: Issued;
  readonly chain: readonly Issued[];
  readonly algorithm: SigningAlgorithm;
}

export interface AuthoritySpec {
  readonly organization: string;
  readonly commonName: string;
  readonly newKey: () => KeyPair;
  readonly notBefore: number;
  readonly notAfter?: number;
  /** Extended key usage of the intermediate. */
  readonly purpose: string;
}

/** A root and one intermediate. */
export function createAuthority(spec: AuthoritySpec): Authority {
  const { organization, commonName, newKey, notBefore, notAfter = notBefore + 3650 * day, purpose } = spec;
  const named = (CN: string): NameSpec => ({ O: organization, CN });
  const keys = [newKey(), newKey()] as const;
  const algorithm = usualAlgorithm(keys[0]);
  const common = { notBefore, notAfter, algorithm };
  const root = issueNamed(named(commonName), { ...common, key: keys[0], pathLength: 1 });
  const issuer = issueNamed(named(`${commonName}-intermediate`), {
    ...common,
    key: keys[1],
    issuer: root,
    pathLength: 0,
    extensions: [eku(purpose)],
  });
  return { issuer, chain: [issuer, root], algorithm: usualAlgorithm(keys[1]) };
}

function issueNamed(subject: NameSpec, spec: NonNullable<Parameters<typeof issueAuthority>[1]>): Issued {
  return issueAuthority("", { ...spec, subject, parts: { serial: serial() } });
}

/** How keys of Sigstore's authorities sign certificates: the hash as long as the curve. */
export function usualAlgorithm(key: KeyPair): SigningAlgorithm {
  const hash = usualHash(key);
  if (hash === undefined) return algorithms.ed25519;
  return key.publicKey.asymmetricKeyType === "rsa" ? algorithms["rsa-sha256"] : algorithms[`ecdsa-${hash}`];
}

export function serial(): Buffer {
  return integer(BigInt(`0x7f${randomBytes(15).toString("hex")}`));
}

export interface LeafSpec {
  readonly authority: Authority;
  readonly key: KeyPair;
  readonly claims: Claims;
  /** Starts the certificate. */
  readonly at: number;
  readonly minutes?: number;
  /** Logs that give an SCT; none leaves the extension out. */
  readonly logs: readonly LogKey[];
  /** When the logs say they saw it; `at` without one. */
  readonly sctAt?: number;
  /** Whom the SCTs say issued it. */
  readonly sctIssuer?: Pick<Issued, "key">;
  readonly purposes?: readonly string[];
  /** In the place of those made from the claims. */
  readonly names?: readonly Uint8Array[];
  readonly moreExtensions?: readonly Uint8Array[];
  /** Changes the list of SCTs. */
  readonly scts?: (scts: readonly Buffer[]) => readonly Buffer[];
}

/** A certificate as Fulcio issues them: no subject, a critical name, the claims, embedded SCTs over the precertificate. */
export function issueIdentity(spec: LeafSpec): Issued {
  const { authority, key, claims, at, minutes = 10, logs, purposes = [codeSigning], moreExtensions = [] } = spec;
  const { issuer, algorithm } = authority;
  const extensions = [
    keyUsage(0),
    ...(purposes.length === 0 ? [] : [eku(...purposes)]),
    subjectKeyId(key),
    authorityKeyId(issuer.key),
    san(spec.names ?? [nameOf(claims)], true),
    ...claimExtensions(claims),
    ...moreExtensions,
  ];
  const common = {
    key,
    issuer,
    algorithm,
    notBefore: at,
    notAfter: at + minutes * minute,
    parts: { serial: serial(), subject: sequence() },
  };
  if (logs.length === 0) return issue({ ...common, extensions });
  const tbs = tbsOf(issue({ ...common, extensions }));
  const made = logs.map((log) => sct({ log, at: spec.sctAt ?? at, issuer: spec.sctIssuer ?? issuer, tbs }));
  const list = extension(sctExtension, sctList((spec.scts ?? ((all) => all))(made)));
  return issue({ ...common, extensions: [...extensions, list] });
}

/** The certificate that signs timestamps: a critical extended key usage (RFC 3161 §2.3). */
export function issueTimestamper(authority: Authority, key: KeyPair, notBefore: number, notAfter?: number): Issued {
  const purpose = extension("2.5.29.37", sequence(oid(timeStamping)), true);
  return issue({
    subject: { O: "sigstore.test", CN: "timestamps" },
    key,
    issuer: authority.issuer,
    algorithm: authority.algorithm,
    notBefore,
    notAfter: notAfter ?? notBefore + 3650 * day,
    parts: { serial: serial() },
    extensions: [
      basicConstraints(false),
      keyUsage(0),
      purpose,
      subjectKeyId(key),
      authorityKeyId(authority.issuer.key),
    ],
  });
}

export const timeStamping = "1.3.6.1.5.5.7.3.8";
