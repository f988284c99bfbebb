import { formats } from "../../formats/index.ts";
import { matchPolicies } from "../../policy/match.ts";
import { type ImageTree, treeOf } from "../../tree.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { createLocator } from "../locate.ts";
import { openVerifier, policyOptions } from "../policies.ts";
import { formatTree } from "../print-tree.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf } from "../signature-repository.ts";

const { "no-match": _, state: __, ...trustOptions } = policyOptions;
/** Flags beside those that say whom to trust. */
const otherFlags: ReadonlySet<string> = new Set(["allow-registry", "signature-repository", "kubeconfig", "context"]);

export const command = defineCommand({
  name: "tree",
  summary: "draw all that is attached to an image, and whether it is valid",
  description:
    "Shows every signature, attestation, SBOM and other artifact that is attached to an image, and what is attached to " +
    "those: kind, format, place, signer, time, size, annotations. With --key or --policy each signature is judged by " +
    "itself: valid, invalid and why, or by somebody who is not trusted; whether they are enough is what trust verify says. " +
    "Without them nothing is judged, and who signed is what the artifact says of itself. Exit code 0 where the image could " +
    "be read, whatever hangs on it.",
  examples: [
    { about: "What there is", command: "trust tree registry.example.com/prod/app:1.2" },
    {
      about: "Which of it the release key signed, on the index and on every platform",
      command: "trust tree --key release.pub --recursive registry.example.com/prod/app:1.2",
    },
    {
      about: "Every invalid signature, for a script",
      command:
        "trust tree --policy policies/ -o json registry.example.com/prod/app:1.2 | jq '..|objects|select(.judgement?.state==\"invalid\")'",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest; or oci-layout:PATH[:TAG]" } },
  options: {
    ...trustOptions,
    recursive: { short: "r", summary: "also what is attached to everything below an index" },
    ...registryOptions,
  },
  async run(context, args, options) {
    const given: Readonly<Record<string, unknown>> = options;
    const isJudged = Object.keys(trustOptions).some((name) => !otherFlags.has(name) && isGiven(given[name]));
    const opened = isJudged
      ? await openVerifier(context, { ...options, "no-match": "deny", state: undefined })
      : undefined;
    const locator = createLocator(context, opened?.registry ?? (await connect(context, options)));
    try {
      const { registry, image, text } = await locator.find(args.image);
      const judge = opened && {
        matched: matchPolicies(opened.options.policies(), image),
        formats,
        now: context.io.now(),
      };
      const tree = await treeOf(registry, {
        image,
        judge,
        recursive: options.recursive,
        signatureRepository: signatureRepositoryOf(context, options["signature-repository"]),
        signal: context.io.signal,
      });
      print(context, { ...tree, image: text });
      return 0;
    } finally {
      await locator.close();
    }
  },
});

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

function print(context: CommandContext, tree: ImageTree): void {
  const results = createResults<ImageTree>(context, (result) => formatTree(context.io.stdout, result));
  results.add(tree, 0);
  results.end();
}
