import { createIdentityMatcher } from "../crypto/x509-identity.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { SourceDocument } from "./document.ts";
import { toKeyLifetime } from "./key-rules.ts";
import { nonEmpty } from "./non-empty.ts";
import type { Authority, CertificateAuthority, CertificateIdentity, KeyAuthority, StaticAuthority } from "./policy.ts";
import { parsePolicyKeys } from "./policy-keys.ts";
import type { Problem } from "./problem.ts";
import type { AuthorityDocument } from "./schema.ts";

/** Reads the file that `key.file` and the like name, relative to the policy file. Throws a `TrustError` that says why not. */
export type ReadKeyFile = (file: string) => Promise<string>;

/** What authorities are made of beside their document; nothing for policies that are not read from disk. */
interface AuthoritySources {
  readonly readKeyFile?: ReadKeyFile | undefined;
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
  readKeyFile: ReadKeyFile | undefined,
): Promise<ReadAuthority> {
  if (written.static !== undefined) {
    const { action, message } = written.static;
    return { static: { name: written.name, action, ...(message === undefined ? {} : { message }) } };
  }
  const sources = { readKeyFile };
  const { name, owner, annotations, key, certificate } = written;
  const common = {
    name,
    ...(owner === undefined ? {} : { owner }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const at = createPlacer(index, document);
  try {
    if (key !== undefined) return { authority: { ...common, ...(await readKeys(key, sources, at)) } };
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
  sources: AuthoritySources,
  at: Placer,
): Promise<Pick<KeyAuthority, "kind" | "keys" | "lifetime">> {
  const lifetime = toKeyLifetime(key);
  const keys = parsePolicyKeys(await textOf(key, "key", "data", "file", sources, at));
  return { kind: "key", keys, ...(lifetime === undefined ? {} : { lifetime }) };
}

async function readCertificate(
  certificate: NonNullable<AuthorityDocument["certificate"]>,
  sources: AuthoritySources,
  at: Placer,
): Promise<Pick<CertificateAuthority, "kind" | "trust" | "identities">> {
  const { intermediates, intermediatesFile } = certificate;
  const hasIntermediates = intermediates !== undefined || intermediatesFile !== undefined;
  const below = hasIntermediates
    ? await textOf(certificate, "certificate", "intermediates", "intermediatesFile", sources, at)
    : undefined;
  const roots = await textOf(certificate, "certificate", "roots", "rootsFile", sources, at);
  const { createCertificateTrust } = await import("../trust/certificate-trust.ts");
  const trust = createCertificateTrust(roots, below);
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
  { readKeyFile }: AuthoritySources,
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
