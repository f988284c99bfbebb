import { exitCodeOf, TrustError } from "../../errors.ts";
import { createHttpRegistry } from "../../oci/http-registry.ts";
import type { Registry } from "../../oci/registry.ts";
import { type Change, changes, type ImageDiff } from "../../policy-tools/diff.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { openTrustedRoot } from "../identity-options.ts";
import { allowFromCommandLine, policyOptions } from "../policies.ts";
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
    "what would be denied. The images are those of Kubernetes manifests, of what runs in a cluster (piped in from kubectl), " +
    "of a list, or of recorded evidence; with evidence nothing else is asked, else the registry is asked once for each thing. " +
    "Exit code 1 when something would be denied that is not (see --fail-on), 4 or 3 when an image could not be judged.",
  examples: [
    {
      about: "What is about to be deployed, before the change is merged",
      command: "trust policy diff policies.old/ policies/ --against deploy/",
    },
    {
      about: "What runs in a cluster",
      command:
        "kubectl get deployments,statefulsets,daemonsets,cronjobs,pods -A -o json | trust policy diff policies.old/ policies/ --against -",
    },
    {
      about: "Offline, on recorded evidence",
      command: "trust policy diff policies.old/ policies/ --against app.evidence.json",
    },
  ],
  arguments: {
    old: { summary: "policy file or folder as it is", completes: "files" },
    new: { summary: "policy file or folder as it would be", completes: "files" },
  },
  options: {
    against: {
      short: "a",
      value: "PATH",
      summary: "manifests (file, folder, - for standard input), a list of images (.txt), or evidence (.evidence.json)",
      many: true,
      completes: "files",
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
    namespace: { short: "n", value: "NAME", summary: "namespace of objects that name none", default: "default" },
    "no-match": {
      value: "OUTCOME",
      summary: "outcome for an image that no enforcing policy matches",
      choices: ["deny", "warn", "allow"],
      default: "deny",
    },
    "allow-registry": policyOptions["allow-registry"],
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, { old: before, new: after }, options) {
    const { io, output, verbose } = context;
    const { readSubjects } = await import("../diff-subjects.ts");
    const { loadPolicies } = await import("../../policy/load.ts");
    const { diffCategories, diffPolicies } = await import("../../policy-tools/diff.ts");
    const load = (path: string) => loadPolicies([path], io.folder, (name, tuf) => openTrustedRoot(context, name, tuf));
    const [oldSet, newSet] = [await load(before), await load(after)];
    const read = await readSubjects(context, options.against, options.namespace);
    const subjects = [...read.subjects, ...options.image.map((image) => ({ image }))];
    if (subjects.length === 0 && read.errors.length === 0)
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
