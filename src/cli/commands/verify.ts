import { exitCodeOf, TrustError } from "../../errors.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { categoriesOf, type Verdict } from "../../policy/verdict.ts";
import { fullText } from "../../policy/verdict-text.ts";
import { annotationOption } from "../annotations.ts";
import { defineCommand } from "../command.ts";
import { createImageJudge } from "../image-judge.ts";
import { partsOf } from "../parts.ts";
import { bundleOption, openVerifier, policyOptions } from "../policies.ts";
import { formatVerdict } from "../print-verdict.ts";
import { createProgress } from "../progress.ts";
import { registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";

const concurrency = 8;

export const command = defineCommand({
  name: "verify",
  summary: "decide whether images are trusted",
  description:
    "Finds the signatures of each image in all places (referrers API, fallback tag, .sig tag), proves them, and says " +
    "whether they are enough: with --key a signature by one of the keys, with --policy what the policies ask for. A " +
    "denial gives every reason. With --type it is asked for an attestation of that type instead. Exit code 0: every " +
    "image is allowed; 1: one is not trusted. An image may also lie in an OCI layout, oci-layout:DIR[:TAG] or " +
    "oci-layout:FILE.tar: nothing else is asked then. Policies judge it by the name that is recorded there, which whoever " +
    "made the layout chose; --as says it instead.",
  examples: [
    { about: "Signed with the release key", command: "trust verify --key release.pub registry.example.com/app:1.2" },
    {
      about: "Allowed by the policies of a folder, as verdicts for a script",
      command: "trust verify --policy policies/ --output json registry.example.com/app:1.2",
    },
    {
      about: "An image for several platforms: the index and everything in it",
      command: "trust verify --key release.pub --recursive registry.example.com/app:1.2",
    },
    {
      about: "Provenance of a workflow on GitHub, from the bundle that gh downloads, without a network",
      command:
        "trust verify --github-repo acme/app --type slsaprovenance1 --bundle sha256-….jsonl ghcr.io/acme/app@sha256:…",
    },
    {
      about: "Provenance by the key of the build system, with what it says",
      command: "trust verify --key ci.pub --type slsaprovenance1 --output json registry.example.com/app:1.2",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest; or oci-layout:PATH[:TAG]", many: true } },
  options: {
    ...policyOptions,
    ...bundleOption,
    as: { value: "NAME", summary: "name by which policies judge an image that lies in a layout" },
    recursive: { short: "r", summary: "judge an index and everything below it; the whole is as good as the worst" },
    platform: { value: "OS/ARCH", summary: "of an index, judge what is for this platform, such as linux/arm64/v8" },
    type: {
      value: "TYPE",
      summary: "ask for an attestation of this type, not for a signature: spdxjson, vuln, … or a URI",
    },
    explain: { summary: "say all that was looked for and found, authority by authority, and the next steps" },
    annotation: { ...annotationOption, summary: "annotation that the signature must carry; only with --key" },
    ...registryOptions,
  },
  async run(context, { image: images }, options) {
    const opened = await openVerifier(context, options, options.annotation);
    const judge = createImageJudge(context, opened, options);
    const parts = partsOf(options);
    if (options.type !== undefined) {
      if (parts.recursive || parts.platform !== undefined)
        throw new TrustError("USAGE", "--type does not go with --recursive or --platform", {
          expected: "the digest of the platform: REPOSITORY@DIGEST",
        });
      if (options.explain) throw new TrustError("USAGE", "--explain is for signatures: it does not go with --type");
      const { verifyAttestations } = await import("../attestations.ts");
      return verifyAttestations(context, judge, options.type, images);
    }
    const { signal } = context.io;
    const progress = createProgress(context, "verifying", images.length);
    const toText = (verdict: Verdict) =>
      options.explain ? fullText(verdict) : formatVerdict(context.io.stdout, verdict);
    const results = createResults<Verdict>(context, toText);
    const verdicts = await mapLimit(images, concurrency, async (image, index) => {
      const verdict = await judge.verify({ image, ...parts, signal });
      progress.step(image);
      progress.clear();
      results.add(verdict, index);
      return verdict;
    });
    results.end();
    await judge.close();
    await opened.save();
    return exitCodeOf(verdicts.flatMap(categoriesOf));
  },
});
