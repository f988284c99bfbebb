import { type CleanPlan, cleanableKinds, cleanImage, planClean } from "../../clean.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { createLocator } from "../locate.ts";
import { formatTable, plain } from "../print.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";

/** What was found, and whether it was removed; plain JSON. */
interface Cleaned extends CleanPlan {
  readonly removed: boolean;
}

export const command = defineCommand({
  name: "clean",
  summary: "remove signatures, attestations and SBOMs of an image",
  description:
    "Lists the signatures, attestations and SBOMs of an image, wherever they are (referrers, fallback tag, .sig, .att and " +
    ".sbom tags), and removes them with --yes, or once it is confirmed on a terminal. The image itself stays, and so do " +
    "referrers of other kinds. The registry must allow deletion.",
  examples: [
    { about: "What there is", command: "trust clean registry.example.com/prod/app:1.2" },
    {
      about: "Without the signatures, before the image is signed anew",
      command: "trust clean --type signature --yes registry.example.com/prod/app:1.2",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest; or oci-layout:PATH[:TAG]" } },
  options: {
    type: { value: "KIND", summary: "what to remove", choices: [...cleanableKinds, "all"], default: "all" },
    recursive: { summary: "also what is attached to each platform of the image" },
    yes: { short: "y", summary: "remove what is listed without asking" },
    ...registryOptions,
  },
  async run(context, args, options) {
    const { io } = context;
    const locator = createLocator(context, await connect(context, options));
    try {
      const { registry, image, text } = await locator.find(args.image);
      const kinds = cleanableKinds.filter((kind) => options.type === "all" || options.type === kind);
      const plan = await planClean(registry, { image, kinds, recursive: options.recursive, signal: io.signal });
      const isTable = context.output === "table";
      if (isTable) io.stdout.write(formatPlan({ ...plan, image: text }));
      const isWanted = plan.items.length > 0 && (options.yes || (await confirmed(context, plan)));
      if (isWanted) await cleanImage(registry, image, plan, { signal: io.signal });
      const results = createResults<Cleaned>(context, ({ removed, items }) =>
        removed ? `removed ${items.length}\n` : "",
      );
      results.add({ ...plan, image: text, removed: isWanted }, 0);
      results.end();
      if (!isWanted && plan.items.length > 0) context.note("Nothing was removed. To remove what is listed, add --yes");
      if (!plan.complete) context.note("There is more than is read at once: run the command again for the rest");
      return 0;
    } finally {
      await locator.close();
    }
  },
});

async function confirmed({ io, output }: CommandContext, { items }: CleanPlan): Promise<boolean> {
  if (output !== "table" || io.prompt === undefined) return false;
  const answer = await io.prompt(
    `Remove ${items.length === 1 ? "it" : `these ${items.length}`}? Type yes (not shown): `,
  );
  return answer.trim().toLowerCase() === "yes";
}

function formatPlan({ image, digest, items, staying }: CleanPlan): string {
  const head = `${plain(image)}\n  digest   ${digest}\n`;
  const kept = staying === 0 ? "" : `  ${staying} other ${staying === 1 ? "artifact stays" : "artifacts stay"}\n`;
  if (items.length === 0) return `${head}  nothing to remove\n${kept}`;
  const rows = items.map(({ kind, digest: own, count, place }) => [
    count > 1 ? `${kind} × ${count}` : kind,
    own,
    place,
  ]);
  return `${head}${kept}\n${formatTable(["WHAT", "DIGEST", "PLACE"], rows)}`;
}
