import { TrustError } from "../errors.ts";
import { type AllowAddress, createLocalAddressFilter } from "../oci/address.ts";
import { createHttpRegistry } from "../oci/http-registry.ts";
import type { Registry } from "../oci/registry.ts";
import type { Authority, PolicySet } from "../policy/policy.ts";
import { formatProblem } from "../policy/problem.ts";
import { defaultSettings, type VerifierSettings } from "../policy/settings.ts";
import { createVerifier, type Verifier, type VerifierOptions } from "../verify.ts";
import { parseAnnotations } from "./annotations.ts";
import { type AuthorityFlags, authoritiesOf, authorityFlagsIn, authorityOptions } from "./authorities.ts";
import { type ClusterFlags, clusterOptions } from "./cluster.ts";
import type { CommandContext } from "./command.ts";
import { lazyCluster, policyPaths, readPolicyPaths } from "./policy-paths.ts";
import { connectionOf, type RegistryFlags } from "./registry.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "./signature-repository.ts";
import type { State } from "./state.ts";

const noMatchChoices = ["deny", "warn", "allow"] as const;

/** Flags of the commands that judge images: whom to trust. */
export const policyOptions = {
  ...authorityOptions,
  policy: {
    short: "p",
    value: "PATH",
    summary: policyPaths,
    many: true,
    completes: "policies",
  },
  ...clusterOptions,
  "no-match": {
    value: "OUTCOME",
    summary: "outcome for an image that no enforcing policy matches",
    choices: noMatchChoices,
    default: "deny",
  },
  "allow-registry": {
    value: "HOST|CIDR",
    summary: "registry that may have a link-local address",
    many: true,
  },
  state: {
    value: "FILE",
    summary: "remembers what policies with freshness have accepted, so that nothing older is; made where it is missing",
    completes: "files",
  },
  ...signatureRepositoryOption,
} as const;

/** Verifies without asking anybody. */
export const bundleOption = {
  bundle: {
    value: "FILE",
    summary: "file with Sigstore bundles about the image, one on each line or one in all; no registry is asked then",
    completes: "files",
  },
} as const;

interface PolicyFlags extends AuthorityFlags, ClusterFlags {
  readonly policy: readonly string[];
}

interface JudgingFlags extends RegistryFlags {
  readonly "no-match": VerifierSettings["noMatch"];
  readonly "allow-registry": readonly string[];
  readonly state: string | undefined;
  readonly "signature-repository": string | undefined;
  /** Only commands that take {@link bundleOption} have it. */
  readonly bundle?: string | undefined;
}

interface VerifierFlags extends PolicyFlags, JudgingFlags {}

/** What a command judges with. */
export interface OpenVerifier {
  readonly verifier: Verifier;
  readonly registry: Registry;
  /** What it was made of. */
  readonly options: VerifierOptions;
  /** Keeps what the verifier has learnt; to be called at the end. Throws `FILE_UNWRITABLE`. */
  save(): Promise<void>;
}

/** The policies that the flags name: those of files and of the cluster, or one that trusts the given keys for every image. */
async function policiesOf(
  context: CommandContext,
  flags: PolicyFlags,
  annotations: readonly string[],
): Promise<PolicySet> {
  const required = parseAnnotations(annotations);
  const named = [...authorityFlagsIn(flags), ...(flags.policy.length === 0 ? [] : ["--policy"])];
  if (named.length !== 1)
    throw new TrustError("USAGE", "say whom to trust, with a key, with the name in a certificate, or with policies", {
      expected: "one of --key KEY, --certificate-identity NAME, and --policy PATH",
      found: named.length === 0 ? "none of them" : named.join(" and "),
    });
  if (flags.policy.length === 0) return trusting(await authoritiesOf(context, flags, required));
  if (annotations.length > 0)
    throw new TrustError("USAGE", "annotations go with --key or --certificate-identity", {
      hint: "Write the annotations into the authority of the policy",
    });
  if (flags["trusted-root"] !== undefined)
    throw new TrustError("USAGE", "--trusted-root means nothing beside --policy", {
      hint: "Name the trust root in the policy, in trustRoot of its authorities",
    });
  const cluster = lazyCluster(context, flags);
  const { set, warnings } = await readPolicyPaths(context, flags.policy, cluster).finally(cluster.close);
  for (const warning of warnings) context.note(`warning: ${formatProblem(warning)}`);
  return set;
}

/** A policy made of flags. Its revision need not be known elsewhere: it lives as long as the command. */
function trusting(authorities: readonly Authority[]): PolicySet {
  const policy = {
    name: "command-line",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities,
    threshold: 1,
    source: "--key",
  } as const;
  return { policies: [policy], revision: "command-line" };
}

/** A verifier as the flags describe it, with the credentials of the user. */
export async function openVerifier(
  context: CommandContext,
  flags: VerifierFlags,
  annotations: readonly string[] = [],
): Promise<OpenVerifier> {
  return openVerifierOf(context, await policiesOf(context, flags, annotations), flags);
}

/** The same for policies that are known already. */
export async function openVerifierOf(
  context: CommandContext,
  policies: PolicySet,
  flags: JudgingFlags,
): Promise<OpenVerifier> {
  const settings = { ...defaultSettings, noMatch: flags["no-match"], allowRegistry: flags["allow-registry"] };
  const registry = await registryOf(context, flags, settings);
  const state = await openState(context, flags.state);
  const { now } = context.io;
  const signatureRepository = signatureRepositoryOf(context, flags["signature-repository"]);
  const highWaterMarks = state?.marks;
  const options = { registry, policies: () => policies, settings, signatureRepository, highWaterMarks, now };
  return { verifier: createVerifier(options), registry, options, save: async () => state?.save() };
}

async function registryOf(
  context: CommandContext,
  flags: JudgingFlags,
  { allowRegistry }: VerifierSettings,
): Promise<Registry> {
  if (flags.bundle !== undefined) {
    const { openBundles } = await import("./bundles.ts");
    return openBundles(context, flags.bundle);
  }
  const connection = await connectionOf(context, flags);
  return createHttpRegistry({ ...connection, allowAddress: await allowFromCommandLine(allowRegistry) });
}

/** The state that `--state` names; nothing without it. */
export async function openState(context: CommandContext, file: string | undefined): Promise<State | undefined> {
  if (file === undefined) return undefined;
  const { readState } = await import("./state.ts");
  return readState(context.resolvePath(file));
}

/** This machine is where the user is; other addresses of its kind, such as a cloud's metadata, only when named. */
export async function allowFromCommandLine(allowed: readonly string[]): Promise<AllowAddress> {
  const named = allowed.length === 0 ? undefined : (await import("../../webhook/addresses.ts")).allowAddresses(allowed);
  let others = named;
  return (address, host) => {
    if (/^(?:127\.|::1$|::ffff:127\.)/.test(address)) return true;
    others ??= createLocalAddressFilter();
    return others(address, host);
  };
}
