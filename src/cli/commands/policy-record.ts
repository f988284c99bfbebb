import { writeNewFiles } from "../../keys/files.ts";
import { parseReference } from "../../oci/reference.ts";
import type { Whereabouts } from "../../policy/mirrors.ts";
import type { Recording } from "../../policy-tools/recording.ts";
import { type ClusterFlags, clusterOptions } from "../cluster.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { lazyCluster, readPolicyPaths } from "../policy-paths.ts";
import { createProgress } from "../progress.ts";
import { connect, registryOptions } from "../registry.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";

export const command = defineCommand({
  name: "policy record",
  summary: "write down the evidence on images, for tests of policies",
  description:
    "Reads of each image what any policy could ask for, and writes it down: what the name stands for, manifests, image " +
    "configs, signatures and attestations, of everything below an index too. No layers, no credentials, nothing of how the " +
    "registry was asked. The same evidence always gives the same file, fit for a repository and its reviews. trust policy " +
    "test and trust policy diff judge images by it without a network; they hold everything in it to its digest, so that it " +
    "is believed no more than a registry is.",
  examples: [
    {
      about: "What a test of the policies for production rests on",
      command: "trust policy record registry.example.com/prod/app:1.2 --file app-1.2.evidence.json",
    },
    {
      about: "Through the mirrors that the policies name",
      command: "trust policy record --policy policies/ --file all.evidence.json docker.io/library/nginx:1.29",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest", many: true } },
  options: {
    file: {
      short: "f",
      value: "FILE",
      summary: "where to write it, by custom NAME.evidence.json; replaced where it is there. Default: standard output",
      completes: "files",
    },
    policy: {
      short: "p",
      value: "PATH",
      summary: "policies that say where else evidence is: mirrors, places of signatures; a file, a folder, or cluster",
      many: true,
      completes: "policies",
    },
    ...clusterOptions,
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, { image: images }, options) {
    const { io } = context;
    const references = images.map(parseReference);
    const registry = await connect(context, options);
    const whereabouts = await whereaboutsIn(context, options);
    const { recordImages } = await import("../../policy-tools/record.ts");
    const { formatEvidence } = await import("../../policy-tools/evidence-file.ts");
    const progress = createProgress(context, "recording", images.length);
    const recording = await recordImages(registry, {
      images: references,
      whereabouts,
      signatureRepository: signatureRepositoryOf(context, options["signature-repository"]),
      now: io.now,
      onImage: (image) => progress.step(image),
    });
    progress.clear();
    const content = formatEvidence(recording);
    const absent = absentIn(recording);
    if (absent.length > 0) context.note(`recorded as not there: ${absent.join(", ")}`);
    if (options.file === undefined) {
      io.stdout.write(content);
      return 0;
    }
    await writeNewFiles([{ path: context.resolvePath(options.file), content, mode: 0o644 }], { replace: true });
    context.note(`recorded ${recording.images.join(", ")} in ${options.file}`);
    return 0;
  },
});

/** Images that the registry does not know; a recording of that is as good as of any, unless the name is a slip. */
function absentIn({ images, repositories }: Recording): readonly string[] {
  const isAbsent = (image: string) =>
    [...repositories].some(([name, { tags }]) =>
      [...tags].some(([tag, recorded]) => "error" in recorded && image === `${name}:${tag}`),
    );
  return images.filter(isAbsent);
}

/** Where the policies say that evidence is, all of them together. */
async function whereaboutsIn(
  context: CommandContext,
  options: ClusterFlags & { readonly policy: readonly string[] },
): Promise<Whereabouts | undefined> {
  if (options.policy.length === 0) return undefined;
  const { whereaboutsOf } = await import("../../policy/mirrors.ts");
  const cluster = lazyCluster(context, options);
  const { set } = await readPolicyPaths(context, options.policy, cluster).finally(cluster.close);
  return whereaboutsOf(set.policies.map((policy) => ({ policy, excluded: false })));
}
