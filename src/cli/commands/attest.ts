import { type AttestedImage, attestImage } from "../../attest.ts";
import { parseDigest } from "../../crypto/digest.ts";
import { TrustError } from "../../errors.ts";
import { maxAttestationBytes } from "../../formats/format.ts";
import { makePredicate } from "../../formats/predicate.ts";
import { predicateKindOf, predicateKinds } from "../../formats/predicate-types.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { defineCommand } from "../command.ts";
import { forEachImage, formatDone, signerRow } from "../each-image.ts";
import { formatNames, formatsOf } from "../formats.ts";
import { readInput } from "../input.ts";
import type { Output } from "../io.ts";
import { createLocator } from "../locate.ts";
import { connect, registryOptions } from "../registry.ts";
import { signatureRepositoryOf, signatureRepositoryOption } from "../signature-repository.ts";
import { openSigning } from "../signing.ts";
import { signingOptions } from "../signing-options.ts";

/** Above this, one image after the other: each holds the predicate several times. */
const largePredicate = 4 * 1024 * 1024;
const concurrency = 4;

export const command = defineCommand({
  name: "attest",
  summary: "sign a statement about images: provenance, an SBOM, a scan",
  description:
    "Resolves each image to a digest, once, and signs an in-toto statement that says what the predicate says about that " +
    "digest. A predicate of a known type is held against the type's schema first; what is wrong is named by its path. " +
    "What is written is proved with the verifier's own code, before it is pushed and after. An attestation is no " +
    "signature of the image: that is made with trust sign.",
  examples: [
    {
      about: "Provenance as the identity of a CI job",
      command: "trust attest --type slsaprovenance1 --predicate provenance.json registry.example.com/app:1.2",
    },
    {
      about: "Attach an SBOM to what a build has just pushed",
      command: "trust attest --key release.key --type spdxjson --predicate sbom.spdx.json registry.example.com/app:1.2",
    },
    {
      about: "A new scan in place of the last one by the same key",
      command: "trust attest --key scan.key --type vuln --predicate scan.json --replace registry.example.com/app:1.2",
    },
    {
      about: "Anything, of a type of one's own, from another program",
      command:
        "trust attest --key ci.key --type https://example.com/tests/v1 --predicate - registry.example.com/app:1.2 < result.json",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest; or oci-layout:DIR[:TAG]", many: true } },
  options: {
    ...signingOptions,
    type: {
      value: "TYPE",
      summary: `type of the predicate: ${Object.keys(predicateKinds).join(", ")}, or a URI`,
      default: "custom",
    },
    predicate: {
      value: "FILE",
      summary: "file with the predicate, - for standard input",
      required: true,
      completes: "files",
    },
    replace: { summary: "take away this key's earlier attestations of that type, once the new one is there" },
    format: {
      value: "FORMAT",
      summary: "form of the attestation: a Sigstore bundle as a referrer (default), or cosign's .att tag",
      choices: formatNames,
      many: true,
    },
    "expect-digest": { value: "DIGEST", summary: "attest to nothing but this digest" },
    "dry-run": { summary: "make and prove the attestations, push nothing; a log that witnesses them keeps its entry" },
    ...signatureRepositoryOption,
    ...registryOptions,
  },
  async run(context, args, options) {
    const { io } = context;
    // Everything that can be wrong is looked at before the first attestation is made.
    if (options.predicate === "-" && options["identity-token"] === "-")
      throw new TrustError("USAGE", "standard input is the predicate or the identity token, not both", {
        expected: "a file for one of them",
      });
    const registry = await connect(context, options);
    const locator = createLocator(context, registry);
    const images = await mapLimit(args.image, concurrency, locator.find);
    const kind = predicateKindOf(options.type);
    const expectDigest = options["expect-digest"] === undefined ? undefined : parseDigest(options["expect-digest"]);
    const formats = formatsOf(options.format);
    const signatureRepository = signatureRepositoryOf(context, options["signature-repository"]);
    const file = await readInput(context, options.predicate, "the predicate", maxAttestationBytes);
    const predicate = await makePredicate(kind, file, io.now());
    const signing = await openSigning(context, {
      flags: options,
      caFile: options["ca-file"],
      formats: formats.map(({ name }) => name),
    });
    const made = { ...signing, formats, predicateType: kind.uri, predicate, replace: options.replace };
    const request = { ...made, expectDigest, signatureRepository, dryRun: options["dry-run"], signal: io.signal };

    const code = await forEachImage<AttestedImage>(context, images, {
      doing: "attesting",
      done: "attested",
      atOnce: predicate.length > largePredicate ? 1 : concurrency,
      make: ({ registry: place, image }) => attestImage(place, { ...request, image, now: io.now() }),
      format: (result) => formatAttested(io.stdout, result),
    });
    await locator.close();
    return code;
  },
});

function formatAttested(output: Output, result: AttestedImage): string {
  const { image, digest, predicateType, attestations, replaced, dryRun } = result;
  return formatDone(output, dryRun ? "would attest" : "attested", image, [
    ["digest", digest],
    ["type", predicateType],
    signerRow(result),
    ...attestations.map(({ format, location }) => [format, location] as const),
    ...replaced.map((evidence) => ["replaced", evidence] as const),
  ]);
}
