import { exitCodeOf, TrustError } from "../../errors.ts";
import { createHttpRegistry } from "../../oci/http-registry.ts";
import type { Registry } from "../../oci/registry.ts";
import { type Change, changes, type ImageDiff } from "../../policy-tools/diff.ts";
import { clusterOptions } from "../cluster.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { allowFromCommandLine, policyOptions } from "../policies.ts";
import { isCluster, lazyCluster, policyPaths, readPolicyPaths } from "../policy-paths.ts";
import { formatTable, printError } from "../print.ts";
import { createProgress } from "../progress.ts";
import { connectionOf, type RegistryFlags, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";

export const command = defineCommand({
  name: "policy diff",
  summary: "say what a change of policies would change",
  description:
    "Judges images by the old policies and by the new, on the same evidence, and tells those whose outcome changes: first " +
    "what would be denied. The images are those of what runs in the cluster, of Kubernetes manifests, of a list, or of recorded " +
    "evidence; with evidence nothing else is asked, else the registry is asked once for each thing. OLD or NEW may be the " +
    "cluster, too: the policies that it has. Of a cluster every object is judged that names images and has not ended; those " +
    "that one controller answers for, such as the Pods of a Deployment, are told together where they are judged alike. " +
    "Exit code 1 when something would be denied that is not (see --fail-on), 4 or 3 when an image, or a kind of objects, " +
    "could not be judged.",
  examples: [
    {
      about: "What is about to be deployed, before the change is merged",
      command: "trust policy diff policies.old/ policies/ --against deploy/",
    },
    {
      about: "What a change would refuse of what runs: the policies in force against those of a branch",
      command: "trust policy diff cluster policies/ --against cluster",
    },
    {
      about: "The same for some namespaces of another cluster",
      command: "trust policy diff cluster policies/ --against cluster --context staging -n shop -n billing",
    },
    {
      about: "Where only kubectl reaches the cluster",
      command:
        "kubectl get deployments,replicasets,statefulsets,daemonsets,cronjobs,jobs,pods,namespaces -A -o json | trust policy diff policies.old/ policies/ --against -",
    },
    {
      about: "Offline, on recorded evidence",
      command: "trust policy diff policies.old/ policies/ --against app.evidence.json",
    },
  ],
  arguments: {
    old: { summary: `policies as they are: ${policyPaths}`, completes: "policies" },
    new: { summary: "policies as they would be: the same", completes: "policies" },
  },
  options: {
    against: {
      short: "a",
      value: "PATH",
      summary:
        "cluster: what runs there; or manifests (file, folder, - for standard input), a list of images (.txt), evidence (.evidence.json)",
      many: true,
      completes: "policies",
    },
    image: { value: "IMAGE", summary: "an image to judge without an object", many: true },
    evidence: {
      value: "FILE",
      summary: "evidence to judge all images on, made by trust policy record; no registry is asked",
      many: true,
      completes: "files",
    },
    "fail-on": {
      value: "CHANGE",
      summary: "what is exit code 1: images that would be denied, any change of outcome, or nothing",
      choices: ["denied", "any", "never"],
      default: "denied",
    },
    all: { summary: "also show what stays the same" },
    namespace: {
      short: "n",
      value: "NAME",
      summary: "of the cluster, look only here; of manifests, the namespace of objects that name none (else: default)",
      many: true,
    },
    "no-match": {
      value: "OUTCOME",
      summary: "outcome for an image that no enforcing policy matches",
      choices: ["deny", "warn", "allow"],
      default: "deny",
    },
    "allow-registry": policyOptions["allow-registry"],
    ...clusterOptions,
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, { old: before, new: after }, options) {
    const { io, output, verbose } = context;
    const { readSubjects } = await import("../diff-subjects.ts");
    const { selectNamespaces, withNamespaceLabels } = await import("../namespace-labels.ts");
    const { diffCategories, diffPolicies } = await import("../../policy-tools/diff.ts");
    const cluster = lazyCluster(context, options);
    const load = async (path: string) => (await readPolicyPaths(context, [path], cluster)).set;
    const [oldSet, newSet, read] = await (async () => {
      const sets = [await load(before), await load(after)] as const;
      const needsNamespaceLabels = sets.some(selectNamespaces);
      const { against, namespace: namespaces } = options;
      const found = await readSubjects(context, { paths: against, namespaces, needsNamespaceLabels, cluster });
      const paths = [before, after];
      const subjects = await withNamespaceLabels(context, { paths, sets, cluster }, found.subjects);
      return [...sets, { ...found, subjects }] as const;
    })().finally(cluster.close);
    const subjects = [...read.subjects, ...options.image.map((image) => ({ image }))];
    if (subjects.length === 0 && read.errors.length === 0 && !options.against.some(isCluster))
      throw new TrustError("USAGE", "there is no image to judge", { expected: "--against PATH, or --image IMAGE" });
    for (const error of read.errors) printError(io, error, { json: output !== "table", verbose });
    const registry = await evidenceOf(context, options, read.recordings);
    const progress = createProgress(context, "judging", subjects.length);
    const diffs = await diffPolicies({
      old: oldSet,
      new: newSet,
      subjects,
      registry,
      noMatch: options["no-match"],
      signatureRepository: signatureRepositoryOf(context, options["signature-repository"]),
      now: io.now(),
      signal: io.signal,
      onSubject: (image) => progress.step(image),
    });
    progress.clear();
    printDiffs(context, diffs, options.all);
    const categories = diffCategories(diffs, options["fail-on"]);
    return exitCodeOf([...categories, ...read.errors.map(({ category }) => category)]);
  },
});

async function evidenceOf(
  context: CommandContext,
  options: RegistryFlags & { readonly evidence: readonly string[]; readonly "allow-registry": readonly string[] },
  found: Awaited<ReturnType<typeof import("../diff-subjects.ts")["readSubjects"]>>["recordings"],
): Promise<Registry> {
  if (found.length === 0 && options.evidence.length === 0) {
    // Whoever may write an object chooses what is asked for.
    const allowAddress = await allowFromCommandLine(options["allow-registry"]);
    return createHttpRegistry({ ...(await connectionOf(context, options)), allowAddress });
  }
  const { readEvidence } = await import("../../policy-tools/run-tests.ts");
  const { mergeRecordings } = await import("../../policy-tools/recording.ts");
  const { replay } = await import("../../policy-tools/replay.ts");
  const named = await Promise.all(options.evidence.map((file) => readEvidence(context.resolvePath(file))));
  return replay(mergeRecordings([...found, ...named]));
}

function printDiffs(context: CommandContext, diffs: readonly ImageDiff[], all: boolean): void {
  const shown = all ? diffs : diffs.filter(({ change }) => change !== "same");
  const results = createResults<ImageDiff>(context, () => "");
  for (const [index, diff] of shown.entries()) results.add(diff, index);
  results.end();
  if (context.output !== "table") return;
  const { stdout } = context.io;
  const withPlaces = shown.some(({ usedBy }) => usedBy !== undefined);
  const rows = shown.map((diff) => {
    const { change, usedBy = "", image, code = "", policy } = diff;
    const reason = policy === undefined ? code : `${code} (${policy})`;
    return [change, `${diff.old.outcome} → ${diff.new.outcome}`, ...(withPlaces ? [usedBy] : []), image, reason];
  });
  stdout.write(formatTable(["CHANGE", "OUTCOME", ...(withPlaces ? ["OBJECT"] : []), "IMAGE", "REASON"], rows));
  stdout.write(`${summaryOf(diffs)}\n`);
}

const words: Readonly<Record<Change, string>> = {
  denied: "newly denied",
  unknown: "could not be judged",
  changed: "changed otherwise",
  admitted: "newly admitted",
  same: "unchanged",
};

function summaryOf(diffs: readonly ImageDiff[]): string {
  const counts = changes.flatMap((change) => {
    const count = diffs.filter((diff) => diff.change === change).length;
    return count === 0 && change !== "denied" && change !== "same" ? [] : [`${count} ${words[change]}`];
  });
  return counts.join(", ");
}
