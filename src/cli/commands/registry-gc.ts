import type { CollectReport } from "../../registry/gc.ts";
import { defineCommand } from "../command.ts";
import { durationFlag } from "../durations.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "registry gc",
  summary: "remove what no manifest of a registry's storage names",
  description:
    "Deletes content that nothing refers to from the storage folder of a registry; signatures stay with their images. " +
    "Safe while the registry runs.",
  examples: [
    { about: "What would go", command: "trust registry gc --storage ./registry --dry-run" },
    {
      about: "Also manifests that lost their tag, unless they are younger than a day",
      command: "trust registry gc --storage ./registry --untagged --grace 1d",
    },
  ],
  arguments: {},
  options: {
    storage: { value: "FOLDER", summary: "storage folder of the registry", required: true, completes: "folders" },
    "dry-run": { summary: "only say what would go" },
    untagged: { summary: "also manifests that no tag, index or subject keeps" },
    grace: { value: "DURATION", summary: "leave alone what was pushed or used since", default: "1h" },
  },
  async run(context, _args, options) {
    const { collectGarbage } = await import("../../registry/gc.ts");
    const report = await collectGarbage(context.resolvePath(options.storage), {
      dryRun: options["dry-run"],
      untagged: options.untagged,
      graceMs: durationFlag("--grace", options.grace),
    });
    const results = createResults<CollectReport>(context, (found) => formatReport(found, options["dry-run"]));
    results.add(report, 0);
    results.end();
    return 0;
  },
});

function formatReport(
  { repositories, manifests, links, blobs, bytes, damaged }: CollectReport,
  dryRun: boolean,
): string {
  const gone = `${manifests} manifests, ${links} links and ${blobs} blobs (${bytes} bytes)`;
  const first = `${dryRun ? "would remove" : "removed"} ${gone} in ${repositories} repositories\n`;
  return damaged === 0
    ? first
    : `${first}${damaged} manifests cannot be read; their repositories keep all their blobs\n`;
}
