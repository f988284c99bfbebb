import * as z from "zod";
import { decodeTufRoot, parsePolicyMirror } from "../trust/tuf-source.ts";
import { rootName } from "./schema-keyless.ts";
import { filled, parsable, parserIssue, textMap } from "./schema-parts.ts";

const minimum = z.union([z.boolean(), z.int().min(0).max(100)]);

const minima = z
  .strictObject({
    log: minimum.optional().describe("Entries in distinct transparency logs."),
    timestamp: minimum.optional().describe("Timestamps of distinct authorities."),
    logOrTimestamp: minimum.optional().describe("Both together."),
    sct: minimum.optional().describe("SCTs of distinct certificate logs."),
  })
  .meta({
    id: "EvidenceMinima",
    description:
      "The least evidence of a keyless signature, in numbers; true is 1. What is lower than usual shows as unsafe.",
  });

/** The metadata of a TrustRoot: its name is what authorities call it by. */
export const rootMetadata = z.strictObject({
  name: rootName.describe("Name of the root, unique among the roots loaded together."),
  labels: textMap.optional().describe("For other tools; without effect on decisions."),
  annotations: textMap.optional().describe("For other tools; without effect on decisions."),
});

const tuf = z
  .strictObject({
    root: z
      .string()
      .min(1, filled)
      .max(700_000)
      .superRefine(parsable(decodeTufRoot))
      .describe(
        "The root.json of the repository in base64: what everything else follows from. Another one is another root.",
      ),
    mirror: z
      .string()
      .min(1, filled)
      .max(2048)
      .superRefine(parsable(parsePolicyMirror))
      .describe("Where the repository is: https://HOST[/PATH], or file:///FOLDER."),
    target: z
      .string()
      .max(200)
      .regex(/^\w[\w.-]*$/, "the name of a target, such as trusted_root.json")
      .default("trusted_root.json")
      .describe("The target that holds the root."),
  })
  .meta({
    id: "TrustRootRepository",
    description:
      "A TUF repository, from which the root is fetched beside all decisions (`trust root update --policy`, or the webhook by " +
      "itself). Until that is done, authorities that refer to it are satisfied by nothing.",
  });

/** What a deployment of Sigstore is believed by. */
export const rootSpec = z
  .strictObject({
    trustedRoot: z
      .looseObject({})
      .optional()
      .describe("The content of a trusted_root.json (media type application/vnd.dev.sigstore.trustedroot)."),
    tuf: tuf.optional(),
    require: minima.optional(),
  })
  .superRefine(({ trustedRoot, tuf }, context) => {
    if ((trustedRoot === undefined) !== (tuf === undefined)) return;
    const found = tuf === undefined ? "neither" : "both";
    context.addIssue(parserIssue("a root comes from one place", "either trustedRoot or tuf", found));
  })
  .meta({ id: "TrustRootSpec", oneOf: [{ required: ["trustedRoot"] }, { required: ["tuf"] }] });
