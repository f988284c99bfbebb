import { createIdentityMatcher } from "../crypto/x509-identity.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import { withEvidence } from "./composed-root.ts";
import type { SourceDocument } from "./document.ts";
import { openEmbeddedRoot } from "./embedded-root.ts";
import { toKeyLifetime } from "./key-rules.ts";
import { nonEmpty } from "./non-empty.ts";
import type {
  Authority,
  CertificateAuthority,
  CertificateIdentity,
  KeyAuthority,
  KeylessAuthority,
  KeylessIdentity,
  StaticAuthority,
} from "./policy.ts";
import { parsePolicyKeys } from "./policy-keys.ts";
import type { Problem } from "./problem.ts";
import type { AuthorityDocument } from "./schema.ts";
import { keysOfSecret, type ReadSecret } from "./secret-keys.ts";

/** Reads the file that `key.file` and the like name, relative to the policy file. Throws a `TrustError` that says why not. */
export type ReadKeyFile = (file: string) => Promise<string>;

/** What authorities are made of beside their document. */
export interface PolicySources {
  /** Absent: policies that are not read from disk. */
  readonly readKeyFile?: ReadKeyFile | undefined;
  /**
   * The trust root of that name; absent: only the one that is part of the program. With `tuf`, what was fetched for a policy
   * document, whose `id` the name is then; nothing is fetched now. Throws `TRUST_ROOT_NOT_FOUND` and the like.
   */
  readonly openRoot?: ((name: string, tuf?: TufSource) => Promise<TrustRoot>) | undefined;
  /** The same for policies of policy-controller's language, which have roots of their own; absent: as `openRoot`. */
  readonly openForeignRoot?: ((name: string) => Promise<TrustRoot>) | undefined;
  /** Absent: policies that are not objects of a cluster. */
  readonly readSecret?: ReadSecret | undefined;
}

/** Those of a policy of a namespace: it reads Secrets of that one, whatever it says. */
export function sourcesOf(namespace: string | undefined, sources: PolicySources): PolicySources {
  const { readSecret } = sources;
  if (namespace === undefined || readSecret === undefined) return sources;
  return { ...sources, readSecret: (secret) => readSecret({ ...secret, namespace, asker: namespace }) };
}

/** What an entry of `authorities` came to. */
interface ReadAuthority {
  readonly authority?: Authority;
  readonly static?: StaticAuthority;
  readonly problem?: Problem;
}

/** Reads one authority: its keys, certificates and identities too. */
export async function readAuthority(
  written: AuthorityDocument,
  index: number,
  document: SourceDocument,
  sources: PolicySources,
): Promise<ReadAuthority> {
  if (written.static !== undefined) {
    const { action, message } = written.static;
    return { static: { name: written.name, action, ...(message === undefined ? {} : { message }) } };
  }
  const { name, owner, annotations, key, keyless, certificate } = written;
  const common = {
    name,
    ...(owner === undefined ? {} : { owner }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const at = createPlacer(index, document);
  try {
    if (key !== undefined) return { authority: { ...common, ...(await readKeys(key, sources, at)) } };
    if (keyless !== undefined) return { authority: { ...common, ...(await readKeyless(keyless, sources, at)) } };
    if (certificate !== undefined)
      return { authority: { ...common, ...(await readCertificate(certificate, sources, at)) } };
    // The schema has seen to it that there is one kind.
    throw new TrustError("INTERNAL", "an authority of no kind");
  } catch (error) {
    return { problem: at.problem(error) };
  }
}

/** Remembers which field is being read, to say where a problem is. */
interface Placer {
  /** Names the field that is read next. */
  field(...path: readonly (string | number)[]): void;
  problem(error: unknown): Problem;
}

function createPlacer(index: number, document: SourceDocument): Placer {
  let reading: readonly (string | number)[] = [];
  return {
    field(...path) {
      reading = path;
    },
    problem(error) {
      const { message, expected, found } = asTrustError(error);
      const place = document.placeOf(["spec", "authorities", index, ...reading]);
      const name = reading.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
      return { place, what: `spec.authorities[${index}]${name}: ${message}`, expected, found };
    },
  };
}

async function readKeys(
  key: NonNullable<AuthorityDocument["key"]>,
  sources: PolicySources,
  at: Placer,
): Promise<Pick<KeyAuthority, "kind" | "keys" | "lifetime" | "root" | "require">> {
  const { trustRoot, require } = key;
  const lifetime = toKeyLifetime(key);
  const keys =
    key.secretRef === undefined
      ? parsePolicyKeys(await textOf(key, "key", "data", "file", sources, at))
      : await readSecretKeys(key.secretRef, sources, at);
  at.field("key", "trustRoot");
  const root = trustRoot === undefined ? undefined : await openRoot(trustRoot, sources);
  return {
    kind: "key",
    keys,
    ...(lifetime === undefined ? {} : { lifetime }),
    ...(root === undefined ? {} : { root }),
    ...(require === undefined ? {} : { require: { log: require.log === true, timestamp: require.timestamp === true } }),
  };
}

function readSecretKeys(
  { name, namespace, key }: NonNullable<NonNullable<AuthorityDocument["key"]>["secretRef"]>,
  { readSecret }: PolicySources,
  at: Placer,
): Promise<KeyAuthority["keys"]> {
  at.field("key", "secretRef");
  if (readSecret === undefined)
    throw new TrustError("POLICY_INVALID", "a key in a Secret in a policy that is not an object of a cluster", {
      expected: "the key in data, or in a file; Secrets are read in a cluster",
    });
  return keysOfSecret({ name, namespace, entry: key }, readSecret);
}

async function readKeyless(
  { trustRoot, identities, require }: NonNullable<AuthorityDocument["keyless"]>,
  sources: PolicySources,
  at: Placer,
): Promise<Pick<KeylessAuthority, "kind" | "root" | "identities">> {
  at.field("keyless", "trustRoot");
  const opened = await openRoot(trustRoot, sources);
  const root = withEvidence(opened, { log: require?.log === true, timestamp: require?.timestamp === true });
  const { toKeylessIdentity } = await import("./keyless-identity.ts");
  const read: KeylessIdentity[] = [];
  for (const [index, rule] of identities.entries()) {
    at.field("keyless", "identities", index);
    read.push(await toKeylessIdentity(rule));
  }
  return { kind: "keyless", root, identities: nonEmpty(read) };
}

function openRoot(name: string, { openRoot = openEmbeddedRoot }: PolicySources): Promise<TrustRoot> {
  return openRoot(name);
}

async function readCertificate(
  certificate: NonNullable<AuthorityDocument["certificate"]>,
  sources: PolicySources,
  at: Placer,
): Promise<Pick<CertificateAuthority, "kind" | "trust" | "identities">> {
  const { intermediates, intermediatesFile, trustRoot } = certificate;
  at.field("certificate", "trustRoot");
  const times = trustRoot === undefined ? undefined : await openRoot(trustRoot, sources);
  const hasIntermediates = intermediates !== undefined || intermediatesFile !== undefined;
  const below = hasIntermediates
    ? await textOf(certificate, "certificate", "intermediates", "intermediatesFile", sources, at)
    : undefined;
  const roots = await textOf(certificate, "certificate", "roots", "rootsFile", sources, at);
  const { createCertificateTrust } = await import("../trust/certificate-trust.ts");
  const trust = createCertificateTrust(roots, below, times);
  const identities: CertificateIdentity[] = [];
  for (const [index, rule] of certificate.identities.entries()) {
    at.field("certificate", "identities", index);
    identities.push({ ...rule, matches: await createIdentityMatcher(rule) });
  }
  return { kind: "certificate", trust, identities: nonEmpty(identities) };
}

/** The text of a field, or of the file that another one names. */
async function textOf<T extends string>(
  written: Readonly<Partial<Record<T, unknown>>>,
  owner: string,
  data: T,
  file: T,
  { readKeyFile }: PolicySources,
  at: Placer,
): Promise<string> {
  const { [data]: text, [file]: path } = written;
  at.field(owner, path === undefined ? data : file);
  if (typeof path !== "string") return typeof text === "string" ? text : "";
  if (readKeyFile === undefined)
    throw new TrustError("POLICY_INVALID", `a file of ${owner}s in a policy that is not read from disk`, {
      expected: `the ${owner} in ${data}`,
    });
  return readKeyFile(path);
}
