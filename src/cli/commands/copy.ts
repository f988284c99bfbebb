import { type CopiedImage, type CopyOptions, copyImage } from "../../copy.ts";
import { parseDigest } from "../../crypto/digest.ts";
import { formatPlatform, parsePlatform } from "../../oci/children.ts";
import type { Platform } from "../../oci/manifest.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { createLocator, isInLayout, type LocatedImage } from "../locate.ts";
import { openTarget, type TargetImage } from "../locate-target.ts";
import { formatCopied } from "../print-copied.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf, signatureSource } from "../signature-repository.ts";
import { createTransferProgress } from "../transfer-progress.ts";

export const command = defineCommand({
  name: "copy",
  summary: "copy an image with its signatures",
  description:
    "Copies an image with all its platforms and everything that is attached to it: signatures, attestations and SBOMs in " +
    "every form (referrers, fallback tags, .sig, .att and .sbom tags), of the image and of each platform, byte for byte. " +
    "Between registries, within one, and from or to an OCI layout: oci-layout:DIR[:TAG], or oci-layout:FILE.tar. What the " +
    "destination has stays, and is not sent again; the tag is set last, so that a copy that was interrupted leaves no " +
    "image without its signatures, and running it again finishes it.",
  examples: [
    {
      about: "To a mirror",
      command: "trust copy registry.example.com/prod/app:1.2 mirror.internal:5000/prod/app:1.2",
    },
    {
      about: "Nothing but the digest that was approved",
      command: "trust copy --expect-digest sha256:… registry.example.com/app:1.2 registry.example.com/prod/app:1.2",
    },
    { about: "One platform, into a folder", command: "trust copy --platform linux/arm64 nginx:1.29 oci-layout:nginx" },
  ],
  arguments: {
    source: { summary: "an image, by tag or digest; or oci-layout:PATH[:TAG]" },
    destination: { summary: "where to copy it; with a digest nothing else is copied" },
  },
  options: {
    platform: {
      value: "OS/ARCH",
      summary: "copy the image for one platform; signatures of the whole image do not cover it alone",
    },
    "expect-digest": { value: "DIGEST", summary: "copy nothing but this digest" },
    "no-signatures": { summary: "copy the image alone, without signatures, attestations and SBOMs" },
    "signature-repository": signatureSource,
    ...registryOptions,
  },
  async run(context, args, options) {
    const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
    const expectDigest = options["expect-digest"] === undefined ? undefined : parseDigest(options["expect-digest"]);
    const signatureRepository = isInLayout(args.source)
      ? undefined
      : signatureRepositoryOf(context, options["signature-repository"]);
    const withAttached = !options["no-signatures"];
    const wanted = { platform, expectDigest, withAttached, signatureRepository };
    const registry = await connect(context, options);
    const locator = createLocator(context, registry);
    try {
      const source = await locator.find(args.source);
      const target = await openTarget(context, registry, args.destination, source.image);
      try {
        print(context, await transfer(context, source, target, wanted));
        if (platform !== undefined && withAttached) context.note(aboutPlatform(platform, target.text));
        return 0;
      } finally {
        await target.close();
      }
    } finally {
      await locator.close();
    }
  },
});

async function transfer(
  context: CommandContext,
  source: LocatedImage,
  target: TargetImage,
  wanted: CopyOptions,
): Promise<CopiedImage> {
  const monitor = createTransferProgress(context, "copying");
  try {
    const copied = await copyImage(source, target, { ...wanted, signal: context.io.signal, monitor });
    await target.finish(copied);
    return { ...copied, source: source.text, destination: target.text };
  } finally {
    monitor.clear();
  }
}

function print(context: CommandContext, copied: CopiedImage): void {
  const results = createResults<CopiedImage>(context, (each) => formatCopied(context.io.stdout, "copied", each));
  results.add(copied, 0);
  results.end();
}

function aboutPlatform(platform: Platform, target: string): string {
  return (
    `${formatPlatform(platform)} alone has its own digest: signatures of the whole image do not cover it. ` +
    `Sign it with: trust sign --key KEY ${target}`
  );
}
