import * as z from "zod";
import { duration, filled, word } from "./schema-parts.ts";

/** A CEL expression; what it means is checked where it is compiled, so that a problem has its place in the file. */
export const condition = z.string().min(1, filled).max(4096);

/** A URI, or a name that stands for nothing but itself: types are compared as they are written. */
const predicateType = z
  .string()
  .min(1, filled)
  .max(1000)
  .regex(/^[a-z][a-z0-9+.-]*:\S+$/i, "a URI, such as https://slsa.dev/provenance/v1");

const attestation = z
  .strictObject({
    name: word.describe("Name of the requirement, unique in the policy; shown in verdicts."),
    predicateType: predicateType.describe("The type that was signed, exactly."),
    authorities: z
      .array(word)
      .min(1)
      .max(100)
      .optional()
      .describe("Names of authorities of this policy, one of whom must have attested. Absent: any of them."),
    maxAge: duration
      .optional()
      .describe("How long after its creation it counts, such as 30d. The creation must be signed or verified."),
    condition: condition.optional().describe("CEL over `predicate`, `predicateType` and `image`; must be true."),
    select: z
      .enum(["latest", "any"])
      .default("latest")
      .describe("latest: the youngest by these authorities must meet all this. any: one of them is enough."),
  })
  .meta({ id: "Attestation", description: "An attestation that the image must have." });

/** The field `spec.attestations`. */
export const attestations = z
  .array(attestation)
  .min(1)
  .max(50)
  .describe("What must be attested, beside the signatures. Every entry must be met.");

const staticFields = {
  action: z.enum(["pass", "fail"]).describe("pass: the image passes without a signature. fail: never satisfied."),
  message: z.string().min(1, filled).max(500).optional().describe("Why; shown in verdicts."),
};

/** The field `static` of an authority. */
export const staticAction = z
  .strictObject(staticFields)
  .meta({ id: "Static", description: "A decision in the open, without a signature. Never counts as a signer." });
