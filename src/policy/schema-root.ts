import * as z from "zod";
import { rootName } from "./schema-keyless.ts";
import { textMap } from "./schema-parts.ts";

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

/** What a deployment of Sigstore is believed by. */
export const rootSpec = z
  .strictObject({
    trustedRoot: z
      .looseObject({})
      .describe("The content of a trusted_root.json (media type application/vnd.dev.sigstore.trustedroot)."),
    require: minima.optional(),
  })
  .meta({ id: "TrustRootSpec" });
