import { type ErrorCategory, exitCodeOf } from "../../errors.ts";
import { formats } from "../../formats/index.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { formatReference, formatRepository, type ImageReference } from "../../oci/reference.ts";
import { type RefreshedImage, refreshImage } from "../../refresh.ts";
import { defineCommand } from "../command.ts";
import { durationFlag } from "../durations.ts";
import { attemptImage, formatFailed, type ImageResult } from "../each-image.ts";
import { imagesOf, imagesOption } from "../images.ts";
import type { Output } from "../io.ts";
import { formatFindings, paint, plain } from "../print.ts";
import { createProgress } from "../progress.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";
import { openKey } from "../signing.ts";
import { keyOptions } from "../signing-options.ts";

const concurrency = 4;

export const command = defineCommand({
  name: "refresh",
  summary: "sign again what is about to expire",
  description:
    "Looks for signatures by the key that were made with --expires and expire soon, or have expired, and makes them " +
    "anew with the same annotations and the same bound tag. Only what the key is proved to have signed is signed " +
    "again, and what is bound to a tag only while the tag stands for that digest. Old signatures stay. To be run " +
    "regularly; an image that must not be used any more is left out, and expires.",
  examples: [
    {
      about: "Every image of a repository path",
      command: "trust refresh --key release.key --registry registry.example.com/prod",
    },
    {
      about: "One image, if it expires within a week, for another month",
      command: "trust refresh --key release.key --before 7d --expires 30d registry.example.com/app:1.2",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest", many: true, optional: true } },
  options: {
    key: {
      short: "k",
      value: "KEY",
      summary: "private key: a file, or env://NAME",
      required: true,
      completes: "files",
    },
    ...keyOptions,
    before: { value: "TIME", summary: "renew what expires within this time", default: "10d" },
    expires: { value: "TIME", summary: "how long the new signatures count; default: as long as the old ones did" },
    ...imagesOption,
    "dry-run": { summary: "make and prove the signatures, push nothing" },
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, args, options) {
    const { io } = context;
    const before = durationFlag("--before", options.before) ?? 0;
    const expiresIn = durationFlag("--expires", options.expires);
    const signatureRepository = signatureRepositoryOf(context, options["signature-repository"]);
    const registry = await connect(context, options);
    const images = await imagesOf(registry, args.image, options.registry, io.signal);
    const signer = await openKey(context, options);
    const request = {
      signer,
      formats,
      signatureRepository,
      before,
      expiresIn,
      dryRun: options["dry-run"],
      signal: io.signal,
    };

    const progress = createProgress(context, "refreshing", images.length);
    const results = createResults<RefreshResult>(context, (result) => formatResult(io.stdout, result));
    const done = await mapLimit(byRepository(images), concurrency, async (group) => {
      const categories: ErrorCategory[] = [];
      for (const [index, image] of group) {
        const result = await attemptImage(formatReference(image), () =>
          refreshImage(registry, { ...request, image, now: io.now() }),
        );
        progress.step(formatReference(image));
        progress.clear();
        results.add(result, index);
        categories.push(...categoriesOf(result));
      }
      return categories;
    });
    results.end();
    return exitCodeOf(done.flat());
  },
});

type RefreshResult = ImageResult<RefreshedImage>;

/** One after the other in each repository: two tags of one image share signatures, which are to be renewed once. */
function byRepository(images: readonly ImageReference[]): readonly (readonly (readonly [number, ImageReference])[])[] {
  return [...Map.groupBy(images.entries(), ([, image]) => formatRepository(image)).values()];
}

/** That a tag has moved on is what happens to tags; nothing is wrong with that. */
function categoriesOf(result: RefreshResult): readonly ErrorCategory[] {
  if ("error" in result) return [result.error.category];
  return result.findings.filter(({ code }) => code !== "DIGEST_MISMATCH").map(({ category }) => category);
}

function formatResult(output: Output, result: RefreshResult): string {
  if ("error" in result) return formatFailed(output, "refreshed", result);
  const { image, signatures, fresh, findings, dryRun } = result;
  const rows = signatures.map(({ format, location }) => `  ${format.padEnd(9)}${plain(location)}\n`);
  return `${paint(output, "green", "✔")} ${titleOf(signatures.length, fresh, dryRun)}  ${plain(image)}\n${rows.join("")}${formatFindings(output, findings, "  ")}`;
}

function titleOf(made: number, fresh: number, dryRun: boolean): string {
  if (made > 0) return dryRun ? "would refresh" : "refreshed";
  return fresh > 0 ? "fresh" : "nothing to refresh";
}
