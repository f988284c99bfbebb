import { parseDigest } from "../../crypto/digest.ts";
import { TrustError } from "../../errors.ts";
import type { SignatureFormat } from "../../formats/format.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { type ImageReference, parseReference } from "../../oci/reference.ts";
import { bindingAnnotations, ownAnnotations } from "../../policy/binding.ts";
import { type SignedImage, signImage } from "../../sign.ts";
import { annotationOption, parseAnnotations } from "../annotations.ts";
import { defineCommand } from "../command.ts";
import { durationFlag } from "../durations.ts";
import { forEachImage, formatDone, signerRow } from "../each-image.ts";
import { formatNames, formatsOf } from "../formats.ts";
import type { Output } from "../io.ts";
import { createLocator, type LocatedImage } from "../locate.ts";
import { partsOf } from "../parts.ts";
import { plain } from "../print.ts";
import { connect, registryOptions } from "../registry.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";
import { openSigning } from "../signing.ts";
import { signingOptions } from "../signing-options.ts";

const concurrency = 4;

export const command = defineCommand({
  name: "sign",
  summary: "sign images in their registry",
  description:
    "Resolves each image to a digest, once, signs that digest and says which it was. What is written is proved with " +
    "the verifier's own code, before it is pushed and after. Signatures of others stay, also when many sign at the " +
    "same time. The password of the key comes from --password-file, TRUST_PASSWORD or COSIGN_PASSWORD, or is asked for. " +
    "Without --key the identity of a CI job or of a person signs, with a short-lived certificate, and a public log keeps that.",
  examples: [
    { about: "What a build has just pushed", command: "trust sign --key release.key registry.example.com/app:1.2" },
    {
      about: "In a CI job, without a key: as the job's own identity",
      command: "trust sign registry.example.com/app:1.2",
    },
    {
      about: "Nothing but the digest that the build gave",
      command: "trust sign --key release.key --expect-digest sha256:… registry.example.com/app:1.2",
    },
    {
      about: "For a month, and for this tag alone",
      command: "trust sign --key release.key --expires 30d --bind-tag registry.example.com/app:1.2",
    },
    {
      about: "An image for several platforms, with everything in it",
      command: "trust sign --key release.key --recursive registry.example.com/app:1.2",
    },
    {
      about: "Also in the form that older verifiers read, with an annotation",
      command:
        "trust sign --key release.key --format bundle --format cosign -a commit=4f2a registry.example.com/app:1.2",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest; or oci-layout:DIR[:TAG]", many: true } },
  options: {
    ...signingOptions,
    format: {
      value: "FORMAT",
      summary: "form of the signature: a Sigstore bundle as a referrer (default), or cosign's .sig tag",
      choices: formatNames,
      many: true,
    },
    annotation: { ...annotationOption, summary: "annotation to sign with the digest" },
    expires: { value: "TIME", summary: "sign an expiry, such as 30d: no longer trusted after that" },
    "bind-tag": { summary: "sign repository and tag with the digest, for policies with freshness" },
    identity: { value: "NAME", summary: "name inside a .sig signature, such as REPOSITORY:TAG for containers/image" },
    recursive: { short: "r", summary: "sign an index and everything below it" },
    platform: { value: "OS/ARCH", summary: "of an index, sign what is for this platform, such as linux/arm64/v8" },
    "expect-digest": { value: "DIGEST", summary: "sign nothing but this digest" },
    "dry-run": { summary: "make and prove the signatures, push nothing; a log that witnesses them keeps its entry" },
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, args, options) {
    const { io } = context;
    // Everything that can be wrong is looked at before the first image is signed.
    const registry = await connect(context, options);
    const locator = createLocator(context, registry);
    const images = await mapLimit(args.image, concurrency, locator.find);
    const annotations = refuseOwn(parseAnnotations(options.annotation));
    const expiresIn = durationFlag("--expires", options.expires);
    const bind = (image: ImageReference, now: number) =>
      bindingAnnotations({ expiresIn, bindTo: options["bind-tag"] ? image : undefined }, now);
    for (const { image } of images) bind(image, io.now());
    const expectDigest = options["expect-digest"] === undefined ? undefined : parseDigest(options["expect-digest"]);
    const chosen = formatsOf(options.format);
    const parts = partsOf(options);
    const identity = checkIdentity(options.identity, chosen, images.length);
    for (const located of images)
      if (options["bind-tag"] || identity === undefined) checkName(located, chosen, options);
    const signatureRepository = signatureRepositoryOf(context, options["signature-repository"]);
    const signing = await openSigning(context, {
      flags: options,
      caFile: options["ca-file"],
      formats: chosen.map(({ name }) => name),
    });
    const request = {
      ...signing,
      signatureRepository,
      formats: chosen,
      identity,
      ...parts,
      expectDigest,
      dryRun: options["dry-run"],
    };

    const code = await forEachImage<SignedImage>(context, images, {
      doing: "signing",
      done: "signed",
      atOnce: concurrency,
      make({ registry: place, image }) {
        const now = io.now();
        const signed = { image, annotations: { ...annotations, ...bind(image, now) }, now, signal: io.signal };
        return signImage(place, { ...request, ...signed });
      },
      format: (result) => formatSigned(io.stdout, result),
    });
    await locator.close();
    return code;
  },
});

/** What verifiers read as expiry and name is written by the flags that say so, or by nobody. */
function refuseOwn(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = Object.keys(annotations).find((key) => key.startsWith(ownAnnotations));
  if (own === undefined) return annotations;
  throw new TrustError("USAGE", `the annotation ${own} cannot be given`, {
    expected: `an annotation that does not start with ${ownAnnotations}`,
    hint: "Expiry and tag are signed with: trust sign --expires 30d --bind-tag",
  });
}

/** The name is one image's, and only `.sig` payloads have a place for it. */
function checkIdentity(
  identity: string | undefined,
  chosen: readonly SignatureFormat[],
  images: number,
): string | undefined {
  if (identity === undefined) return undefined;
  parseReference(identity);
  if (images > 1) throw new TrustError("USAGE", "--identity names one image", { expected: "one IMAGE" });
  if (chosen.some((format) => format.name === "cosign")) return identity;
  throw new TrustError("USAGE", "--identity is for the .sig form alone", {
    expected: "--format cosign",
    hint: "A bundle signs a name with: trust sign --bind-tag",
  });
}

/** What signs a name needs one, which an image in a layout may not have. */
function checkName(
  { isNamed, text }: LocatedImage,
  chosen: readonly SignatureFormat[],
  flags: { readonly "bind-tag": boolean },
): void {
  if (isNamed || !(flags["bind-tag"] || chosen.some(({ name }) => name === "cosign"))) return;
  throw new TrustError("USAGE", "the layout does not say what the image is called", {
    expected: "an image with a name, or a bundle, which signs none",
    found: text,
    hint: "Record a name with: trust copy oci-layout:PATH oci-layout:OTHER:HOST/REPOSITORY:TAG",
  });
}

function formatSigned(output: Output, result: SignedImage): string {
  const { image, digest, signatures, dryRun, children = [] } = result;
  const done = formatDone(output, dryRun ? "would sign" : "signed", image, [
    ["digest", digest],
    signerRow(result),
    ...signatures.map(({ format, location }) => [format, location] as const),
  ]);
  return `${done}${children.map(formatChild).join("")}`;
}

function formatChild({ platform = "no platform", digest, signatures }: SignedImage): string {
  return `  ${plain(platform.padEnd(15))} ${digest}  ${signatures.map(({ format }) => format).join(", ")}\n`;
}
