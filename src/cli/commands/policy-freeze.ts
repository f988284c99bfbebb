import type { Digest } from "../../crypto/digest.ts";
import { formats } from "../../formats/index.ts";
import { type FrozenImage, freezeImage } from "../../freeze.ts";
import { loadPublicKeys } from "../../keys/index.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { formatReference } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { imagesOf, imagesOption } from "../images.ts";
import { plain } from "../print.ts";
import { createProgress } from "../progress.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";

const concurrency = 4;

export const command = defineCommand({
  name: "policy freeze",
  summary: "list what a key has signed so far, to stay accepted",
  description:
    "Lists the signatures that a public key has made on images, so that they can stay accepted when the key is revoked " +
    "or its time is over: as the field frozen of a policy's key, to be put beside revoked or validUntil. Each is proved. " +
    "Look through the list before it goes into a policy: what a thief has signed is on it as well.",
  examples: [
    {
      about: "Before a key is taken out of use: everything that it signed",
      command: "trust policy freeze --key old.pub --registry registry.example.com/prod > frozen.yaml",
    },
    { about: "Some images only", command: "trust policy freeze --key old.pub registry.example.com/prod/app:1.2" },
  ],
  arguments: { image: { summary: "an image, by tag or digest", many: true, optional: true } },
  options: {
    key: { short: "k", value: "KEY", summary: "public key: a file, or env://NAME", required: true, completes: "files" },
    ...imagesOption,
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, args, options) {
    const { io } = context;
    const keys = await loadPublicKeys(options.key, { env: io.env, resolvePath: context.resolvePath });
    const signatureRepository = signatureRepositoryOf(context, options["signature-repository"]);
    const registry = await connect(context, options);
    const images = await imagesOf(registry, args.image, options.registry, io.signal);
    const progress = createProgress(context, "listing", images.length);
    const frozen = await mapLimit(images, concurrency, async (image) => {
      const result = await freezeImage(registry, { image, keys, formats, signatureRepository, signal: io.signal });
      progress.step(formatReference(image));
      return result;
    });
    progress.clear();
    if (context.output === "table") {
      io.stdout.write(formatFrozen(frozen));
      return 0;
    }
    const results = createResults<FrozenImage>(context, () => "");
    for (const [index, result] of frozen.entries()) results.add(result, index);
    results.end();
    return 0;
  },
});

/** YAML for a policy; each signature once, under the first image that has it. */
function formatFrozen(images: readonly FrozenImage[]): string {
  const seen = new Set<Digest>();
  const lines = images.flatMap(({ image, signatures }) => {
    const fresh = signatures.filter((digest) => !seen.has(digest));
    for (const digest of fresh) seen.add(digest);
    return fresh.length === 0 ? [] : [`  # ${plain(image)}`, ...fresh.map((digest) => `  - ${digest}`)];
  });
  return lines.length === 0 ? "# nothing is signed by this key\n" : `frozen:\n${lines.join("\n")}\n`;
}
