import * as z from "zod";
import { parsePolicyKeys } from "./policy-keys.ts";
import { keyEvidence, rootName } from "./schema-keyless.ts";
import { digest, filled, parsable, parserIssue, time } from "./schema-parts.ts";

const revoked = z
  .strictObject({
    at: time.describe("Since when the key cannot be trusted: not the time of discovery, the time of the theft."),
    reason: z.string().min(1, filled).max(500).describe("Why; shown in verdicts."),
  })
  .meta({ id: "Revoked", description: "The key is not trusted any more." });

/** The keys of an authority, and the time in which they count. */
export const key = z
  .strictObject({
    data: z
      .string()
      .min(1, filled)
      .max(64 * 1024)
      .superRefine(parsable(parsePolicyKeys))
      .optional()
      .describe("Public keys in PEM; several are alternatives of one signer."),
    file: z
      .string()
      .min(1, filled)
      .max(4096)
      .optional()
      .describe("File with public keys in PEM, relative to the policy file. Only in policies read from disk."),
    validFrom: time
      .optional()
      .describe("The key counts from then on, by verified time, or by now where there is none."),
    validUntil: time.optional().describe("The key counts until then, by verified time, or by now where there is none."),
    revoked: revoked.optional().describe("Only what is verified to be older than `at` still counts."),
    trustRoot: rootName
      .optional()
      .describe("Whose logs and timestamps prove when the key signed. Absent: no time is verified."),
    require: keyEvidence.optional().describe("Evidence that a signature must have; needs `trustRoot`."),
    frozen: z
      .array(digest)
      .min(1)
      .max(100_000)
      .optional()
      .describe("Signatures that count although the key is revoked or its time is over (`trust policy freeze`)."),
  })
  .superRefine(({ data, file, trustRoot, require }, context) => {
    if (require !== undefined && trustRoot === undefined)
      context.addIssue(parserIssue("evidence is required of nobody", "trustRoot beside require", "require alone"));
    if ((data === undefined) !== (file === undefined)) return;
    const found = data === undefined ? "neither" : "both";
    context.addIssue(parserIssue("a key stands at one place", "either data or file", found));
  })
  .meta({
    id: "Key",
    description: "Public keys of a signer: either `data` or `file`.",
    oneOf: [{ required: ["data"] }, { required: ["file"] }],
  });
