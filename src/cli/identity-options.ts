import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { nonEmpty } from "../policy/non-empty.ts";
import type { CertificateAuthority, CertificateIdentity } from "../policy/policy.ts";
import type { CommandContext } from "./command.ts";

/** Flags that say whom a certificate must name, and who must have issued it. */
export const identityOptions = {
  "certificate-identity": {
    value: "NAME",
    summary: "name that the signer's certificate must have, exactly: an e-mail address, a URI, …; of several any one",
    many: true,
  },
  "certificate-identity-regexp": {
    value: "REGEXP",
    summary: "regular expression (RE2) that must match the whole of such a name",
    many: true,
  },
  "ca-roots": {
    value: "FILE",
    summary: "certificates, PEM, of one's own authorities that must have issued the signer's certificate",
    completes: "files",
  },
  "ca-intermediates": {
    value: "FILE",
    summary: "certificates, PEM, between those roots and signers that bring none along",
    completes: "files",
  },
} as const;

export interface IdentityFlags {
  readonly "certificate-identity": readonly string[];
  readonly "certificate-identity-regexp": readonly string[];
  readonly "ca-roots": string | undefined;
  readonly "ca-intermediates": string | undefined;
}

/** Whether one of the flags was given. */
export function namesIdentity(flags: IdentityFlags): boolean {
  return (
    flags["certificate-identity"].length > 0 ||
    flags["certificate-identity-regexp"].length > 0 ||
    flags["ca-roots"] !== undefined ||
    flags["ca-intermediates"] !== undefined
  );
}

/**
 * The authority that the flags describe; annotations are those that its signatures must carry. Throws `USAGE` for flags that
 * mean nothing without each other, `CERTIFICATE_INVALID`, `CONFIG_INVALID`, those of the files.
 */
export async function identityAuthority(
  { resolvePath }: CommandContext,
  flags: IdentityFlags,
  annotations: Readonly<Record<string, string>>,
): Promise<CertificateAuthority> {
  const { "ca-roots": roots, "ca-intermediates": intermediates } = flags;
  if (roots === undefined)
    throw new TrustError("USAGE", "nobody is named who must have issued the certificate", {
      expected: "--ca-roots FILE",
      found: intermediates === undefined ? undefined : "--ca-intermediates alone",
    });
  const rules = [
    ...flags["certificate-identity"].map((san) => ({ san })),
    ...flags["certificate-identity-regexp"].map((sanRegex) => ({ sanRegex })),
  ];
  if (rules.length === 0)
    throw new TrustError("USAGE", "--ca-roots alone would trust everybody who has a certificate of theirs", {
      expected: "--certificate-identity NAME, or --certificate-identity-regexp REGEXP",
    });
  const read = async (path: string, what: string) => (await readSmallFile(resolvePath(path), what)).toString("latin1");
  const { createCertificateTrust } = await import("../trust/certificate-trust.ts");
  const { createIdentityMatcher } = await import("../crypto/x509-identity.ts");
  const trust = createCertificateTrust(
    await read(roots, "the file of roots"),
    intermediates === undefined ? undefined : await read(intermediates, "the file of intermediates"),
  );
  const identities = await Promise.all(
    rules.map(async (rule): Promise<CertificateIdentity> => ({ ...rule, matches: await createIdentityMatcher(rule) })),
  );
  return { kind: "certificate", name: roots, trust, identities: nonEmpty(identities), annotations };
}
