import * as z from "zod";
import { namespaceGlob } from "./schema-match.ts";
import { digest, filled, imageGlob, parserIssue, time, word } from "./schema-parts.ts";

const exceptedImage = z
  .strictObject({
    glob: imageGlob.optional().describe("REGISTRY/REPOSITORY, as in the images of a policy."),
    digest: digest.optional().describe("What runs, whatever it is called."),
  })
  .superRefine(({ glob, digest }, context) => {
    if ((glob === undefined) !== (digest === undefined)) return;
    context.addIssue(parserIssue("an image is named in one way", "either glob or digest", glob ? "both" : "neither"));
  })
  .meta({
    id: "ExceptedImage",
    description: "An image of an exception: either `glob` or `digest`.",
    oneOf: [{ required: ["glob"] }, { required: ["digest"] }],
  });

/** The field `spec` of a TrustException. */
export const exceptionSpec = z
  .strictObject({
    images: z.array(exceptedImage).min(1).max(1000).describe("Which images; no other image of an object is let pass."),
    namespaces: z
      .array(namespaceGlob)
      .min(1)
      .max(100)
      .optional()
      .describe("Globs over the namespace of the object. Absent: all. Given: none without an object."),
    policies: z
      .array(word)
      .min(1)
      .max(100)
      .optional()
      .describe("Names of policies; NAMESPACE/NAME for those of one namespace. Absent: all."),
    expires: time.describe("When it ends, RFC 3339."),
    reason: z.string().min(1, filled).max(500).describe("Why; shown in every verdict that it touches."),
    approvedBy: word.optional().describe("Who answers for it; shown in verdicts."),
  })
  .meta({ id: "ExceptionSpec" });
