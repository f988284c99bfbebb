import { asTrustError, exitCodeOf, TrustError, toFinding } from "../../errors.ts";
import { defaultTrustRoot } from "../../trust/embedded.ts";
import { readPolicyRoot, readStoredRoot, type TrustRootContext, toTrustRoot } from "../../trust/open.ts";
import type { StoredRoot } from "../../trust/stored-root.ts";
import { checkRootName } from "../../trust/stored-root.ts";
import type { TufSource } from "../../trust/tuf-source.ts";
import type { WebSettings } from "../../trust/tuf-web.ts";
import { type ClusterFlags, clusterOptions } from "../cluster.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { lazyCluster, readPolicyPaths } from "../policy-paths.ts";
import { formatFinding, paint, plain } from "../print.ts";
import { createResults } from "../results.ts";
import { mirrorOptions, rootNames, storePolicyRoot, storeRoot, trustRootContext, webSettings } from "../trust-roots.ts";

/** What became of a root; plain JSON. */
type Updated =
  | {
      readonly name: string;
      readonly status: "updated" | "unchanged";
      readonly mirror: string;
      readonly revision: string;
      readonly expires: string;
    }
  | { readonly name: string; readonly status: "failed"; readonly error: ReturnType<typeof toFinding> };

export const command = defineCommand({
  name: "root update",
  summary: "fetch trust roots anew, by TUF",
  description:
    "Fetches a trust root from its TUF repository, or public-good and all that were added with --tuf-root. What is signed by " +
    "too few keys, older than what is known, expired or changed on the way is refused, and the root in use stays. Verifying " +
    "never fetches anything; run this by a timer, or where the network is and carry the mirror over.",
  examples: [
    { about: "All of them, by a timer", command: "trust root update --quiet" },
    { about: "Those that policies take from a TUF repository", command: "trust root update --policy policies/" },
    { about: "GitHub's own root, for attestations of private repositories", command: "trust root update github" },
    {
      about: "Without a network, from a copy of the repository",
      command: "trust root update public-good --mirror file:///media/usb/tuf-repo-cdn.sigstore.dev",
    },
  ],
  arguments: { name: { summary: "the name of the trust root; all that TUF renews by default", optional: true } },
  options: {
    policy: {
      short: "p",
      value: "PATH",
      summary:
        "the roots of TrustRoot documents with spec.tuf in this policy file or folder, or in the cluster, instead",
      many: true,
      completes: "policies",
    },
    ...clusterOptions,
    mirror: { value: "URL", summary: "read this mirror instead, this time: https://… or file:///FOLDER" },
    ...mirrorOptions,
  },
  async run(context, { name }, { policy, mirror, "ca-file": caFile, ...flags }) {
    if (name !== undefined && policy.length > 0)
      throw new TrustError("USAGE", "a name and --policy each say what to update", { expected: "one of them" });
    const roots = { ...trustRootContext(context), mirror, web: await webSettings(context, caFile) };
    const results = createResults<Updated>(context, (updated) => formatUpdated(context, updated));
    if (name !== undefined) {
      results.add(await updateRoot(context, roots, name), 0);
      results.end();
      return 0;
    }
    const updates =
      policy.length > 0 ? await ofPolicies(context, roots, { policy, ...flags }) : await ofUser(context, roots);
    const all: Updated[] = [];
    for (const [index, { name: each, update }] of updates.entries()) {
      const updated = await update().catch((error: unknown): Updated => {
        context.io.signal.throwIfAborted();
        return { name: each, status: "failed", error: toFinding(asTrustError(error)) };
      });
      results.add(updated, index);
      all.push(updated);
    }
    results.end();
    return exitCodeOf(all.flatMap((updated) => (updated.status === "failed" ? [updated.error.category] : [])));
  },
});

interface Update {
  readonly name: string;
  readonly update: () => Promise<Updated>;
}

async function ofUser(context: CommandContext, roots: Roots): Promise<readonly Update[]> {
  return (await renewable(roots)).map((name) => ({ name, update: () => updateRoot(context, roots, name) }));
}

/** The roots that policies write as TUF repositories, whether or not an authority refers to them. */
async function ofPolicies(
  context: CommandContext,
  roots: Roots,
  { policy: paths, ...flags }: ClusterFlags & { readonly policy: readonly string[] },
): Promise<readonly Update[]> {
  const cluster = lazyCluster(context, flags);
  // That policies cannot be used before their roots are fetched is what is mended here.
  const unheard = { ...context, note: () => undefined };
  const { tufRoots = [] } = (await readPolicyPaths(unheard, paths, cluster).finally(cluster.close)).set;
  if (tufRoots.length === 0)
    throw new TrustError("TRUST_ROOT_NOT_FOUND", "these policies have no trust root to fetch", {
      expected: "a TrustRoot with spec.tuf",
      hint: "Roots that policies refer to by name alone are fetched with: trust root update NAME",
    });
  if (tufRoots.length > 1 && roots.mirror !== undefined)
    throw new TrustError("USAGE", "one mirror for several trust roots", {
      expected: "--policy with one root to fetch, where --mirror is given",
      found: tufRoots.map(({ name }) => name).join(", "),
    });
  return tufRoots.map((tuf) => ({ name: tuf.name, update: () => updateWritten(context, roots, tuf) }));
}

async function updateWritten({ io }: CommandContext, roots: Roots, tuf: TufSource): Promise<Updated> {
  const { mirror, web } = roots;
  const { renewPolicyRoot } = await import("../../trust/refresh.ts");
  const before = await readPolicyRoot(tuf, roots);
  const renewed = await renewPolicyRoot(tuf, before, { mirror, web, now: io.now(), signal: io.signal });
  await storePolicyRoot(roots.folder, tuf, renewed);
  return describeRoot(renewed, before);
}

/** The user's roots, and how mirrors are read. */
interface Roots extends TrustRootContext {
  readonly folder: string;
  readonly mirror: string | undefined;
  readonly web: WebSettings;
}

/** What was never fetched is not fetched by itself, but for the root that is meant where none is named. */
async function renewable(roots: Roots): Promise<readonly string[]> {
  const names = await rootNames(roots.folder);
  const stored = await Promise.all(names.map((name) => readStoredRoot(name, roots).catch(() => undefined)));
  return names.filter((name, index) => name === defaultTrustRoot || stored[index]?.source.kind === "tuf");
}

async function updateRoot(context: CommandContext, roots: Roots, name: string): Promise<Updated> {
  checkRootName(name);
  const { io } = context;
  const { mirror, web } = roots;
  const { renewRoot } = await import("../../trust/refresh.ts");
  const before = await readStoredRoot(name, roots);
  const renewed = await renewRoot(name, before, { mirror, web, now: io.now(), signal: io.signal });
  await storeRoot(roots.folder, renewed, true);
  return describeRoot(renewed, before);
}

function describeRoot(renewed: StoredRoot, before: StoredRoot | undefined): Updated {
  const { name, revision, source } = toTrustRoot(renewed);
  const isSame = before !== undefined && toTrustRoot(before).revision === revision;
  const { mirror, expires } = source.kind === "tuf" ? source : { mirror: "", expires: 0 };
  return { name, status: isSame ? "unchanged" : "updated", mirror, revision, expires: new Date(expires).toISOString() };
}

function formatUpdated({ io: { stdout } }: CommandContext, updated: Updated): string {
  if (updated.status === "failed")
    return `${paint(stdout, "red", "✘")} ${plain(updated.name)}\n${formatFinding(stdout, updated.error, "  ")}`;
  const { name, status, mirror, revision, expires } = updated;
  const rows = [
    ["mirror", mirror],
    ["revision", revision],
    ["expires", expires],
  ];
  const lines = rows.map(([label = "", text = ""]) => `  ${label.padEnd(9)}${plain(text)}\n`);
  return `${paint(stdout, "green", "✔")} ${status}  ${plain(name)}\n${lines.join("")}`;
}
