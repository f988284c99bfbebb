import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { nonEmpty } from "../policy/non-empty.ts";
import type {
  Authority,
  CertificateAuthority,
  CertificateIdentity,
  KeylessAuthority,
  KeylessIdentity,
} from "../policy/policy.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";
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
  "certificate-oidc-issuer": {
    value: "URL",
    summary: "OIDC issuer that must have vouched for that name, exactly",
  },
  "certificate-oidc-issuer-regexp": {
    value: "REGEXP",
    summary: "regular expression (RE2) that must match the whole of that issuer",
  },
  "github-repo": {
    value: "OWNER/NAME",
    summary: "repository whose GitHub Actions workflow must have signed",
  },
  "trusted-root": {
    value: "ROOT",
    summary:
      "whose certificates, logs and timestamps to believe: a trusted_root.json, or the name of a root; default public-good",
    completes: "files",
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
  readonly "certificate-oidc-issuer": string | undefined;
  readonly "certificate-oidc-issuer-regexp": string | undefined;
  readonly "github-repo": string | undefined;
  readonly "trusted-root": string | undefined;
  readonly "ca-roots": string | undefined;
  readonly "ca-intermediates": string | undefined;
}

/** Flags that, each by itself, say that the signer has a certificate. */
const certificateFlags = [
  "certificate-identity",
  "certificate-identity-regexp",
  "certificate-oidc-issuer",
  "certificate-oidc-issuer-regexp",
  "github-repo",
  "ca-roots",
  "ca-intermediates",
] as const;

/** The first flag that says that the signer has a certificate; nothing where there is none. */
export function certificateFlagIn(flags: IdentityFlags): string | undefined {
  return certificateFlags.find((name) => {
    const value = flags[name];
    return typeof value === "string" || (value !== undefined && value.length > 0);
  });
}

/**
 * The authority that the flags describe; annotations are those that its signatures must carry. Throws `USAGE` for flags that
 * mean nothing with or without each other, `CERTIFICATE_INVALID`, `CONFIG_INVALID`, `TRUST_ROOT_*`, those of the files.
 */
export async function identityAuthority(
  context: CommandContext,
  flags: IdentityFlags,
  annotations: Readonly<Record<string, string>>,
): Promise<Authority> {
  const isOwn = flags["ca-roots"] !== undefined || flags["ca-intermediates"] !== undefined;
  return { ...(await (isOwn ? ownAuthority(context, flags) : keylessAuthority(context, flags))), annotations };
}

async function ownAuthority(context: CommandContext, flags: IdentityFlags): Promise<CertificateAuthority> {
  const { "ca-roots": roots, "ca-intermediates": intermediates, "trusted-root": trustedRoot } = flags;
  const { resolvePath } = context;
  if (roots === undefined)
    throw new TrustError("USAGE", "--ca-intermediates only help to find the way to roots", {
      expected: "--ca-roots FILE beside it",
    });
  refuse(flags, ["certificate-oidc-issuer", "certificate-oidc-issuer-regexp", "github-repo"], "--ca-roots");
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
    trustedRoot === undefined ? undefined : await openTrustedRoot(context, trustedRoot),
  );
  const identities = await Promise.all(
    rules.map(async (rule): Promise<CertificateIdentity> => ({ ...rule, matches: await createIdentityMatcher(rule) })),
  );
  return { kind: "certificate", name: roots, trust, identities: nonEmpty(identities) };
}

const githubIssuer = "https://token.actions.githubusercontent.com";
const githubName = /^[A-Za-z0-9-]{1,39}\/[A-Za-z0-9._-]{1,100}$/;

async function keylessAuthority(context: CommandContext, flags: IdentityFlags): Promise<KeylessAuthority> {
  const rules = keylessRules(flags);
  const root = await openTrustedRoot(context, flags["trusted-root"]);
  const { toKeylessIdentity } = await import("../policy/keyless-identity.ts");
  const identities = await Promise.all(rules.map(toKeylessIdentity));
  const [{ subject, subjectRegex, claims } = {}] = rules;
  const name = subject ?? subjectRegex ?? claims?.["sourceRepositoryURI"] ?? "command-line";
  return { kind: "keyless", name, root, identities: nonEmpty(identities) };
}

type Rule = Omit<KeylessIdentity, "matches">;

function keylessRules(flags: IdentityFlags): readonly Rule[] {
  const subjects: readonly Rule[] = [
    ...flags["certificate-identity"].map((subject) => ({ subject })),
    ...flags["certificate-identity-regexp"].map((subjectRegex) => ({ subjectRegex })),
  ];
  const repository = flags["github-repo"];
  const vouched = issuerRule(flags);
  if (repository !== undefined) {
    const repo = githubRule(repository, vouched);
    return subjects.length === 0 ? [repo] : subjects.map((subject) => ({ ...subject, ...repo }));
  }
  if (subjects.length === 0)
    throw new TrustError("USAGE", "an issuer alone would trust everybody whom it knows", {
      expected: "--certificate-identity NAME, or --certificate-identity-regexp REGEXP",
    });
  if (vouched === undefined)
    throw new TrustError("USAGE", "nobody is named who must have vouched for the identity", {
      expected: "--certificate-oidc-issuer URL, or --ca-roots FILE for certificates of one's own authorities",
    });
  return subjects.map((subject) => ({ ...subject, ...vouched }));
}

function issuerRule(flags: IdentityFlags): Rule | undefined {
  const { "certificate-oidc-issuer": issuer, "certificate-oidc-issuer-regexp": issuerRegex } = flags;
  if (issuer !== undefined && issuerRegex !== undefined)
    throw new TrustError("USAGE", "the issuer is named in two ways", {
      expected: "one of --certificate-oidc-issuer and --certificate-oidc-issuer-regexp",
    });
  if (issuer === undefined && issuerRegex === undefined) return undefined;
  return issuer === undefined ? { issuerRegex } : { issuer };
}

/** What GitHub Actions puts into certificates about the repository whose workflow runs. */
function githubRule(repository: string, vouched: Rule | undefined): Rule {
  if (!githubName.test(repository))
    throw new TrustError("USAGE", "--github-repo is not the name of a repository", {
      expected: "OWNER/NAME, as in https://github.com/OWNER/NAME",
      found: JSON.stringify(repository.slice(0, 200)),
    });
  return {
    ...(vouched ?? { issuer: githubIssuer }),
    claims: { sourceRepositoryURI: `https://github.com/${repository}` },
  };
}

function refuse(flags: IdentityFlags, names: readonly (keyof IdentityFlags)[], beside: string): void {
  const meaningless = names.find((name) => flags[name] !== undefined);
  if (meaningless === undefined) return;
  throw new TrustError("USAGE", `--${meaningless} means nothing beside ${beside}`, {
    expected: `${beside} without it`,
  });
}

/** The trust root that `--trusted-root` or a policy names; with `tuf`, what was fetched for a policy document. Throws `TRUST_ROOT_*` and those of files. */
export async function openTrustedRoot(
  context: CommandContext,
  nameOrPath = "public-good",
  tuf?: TufSource,
): Promise<TrustRoot> {
  const { openPolicyRoot, openTrustRoot } = await import("../trust/open.ts");
  const { trustRootContext } = await import("./trust-roots.ts");
  const roots = trustRootContext(context);
  return tuf === undefined ? openTrustRoot(nameOrPath, roots) : openPolicyRoot(tuf, roots);
}
