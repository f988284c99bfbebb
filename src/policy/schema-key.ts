import * as z from "zod";
import { parsePolicyKeys } from "./policy-keys.ts";
import { keyEvidence, rootName } from "./schema-keyless.ts";
import { digest, filled, namespaceName, objectName, parsable, parserIssue, time } from "./schema-parts.ts";

const revoked = z
  .strictObject({
    at: time.describe("Since when the key cannot be trusted: not the time of discovery, the time of the theft."),
    reason: z.string().min(1, filled).max(500).describe("Why; shown in verdicts."),
  })
  .meta({ id: "Revoked", description: "The key is not trusted any more." });

const secretRef = z
  .strictObject({
    name: objectName.describe("Name of the Secret."),
    namespace: namespaceName
      .optional()
      .describe(
        "Namespace of the Secret. Default: that of the webhook. A TrustPolicy reads Secrets of its own namespace only.",
      ),
    key: z
      .string()
      .max(253)
      .regex(/^[-._a-zA-Z0-9]+$/, "the name of an entry: letters, digits, -, _ and .")
      .default("cosign.pub")
      .describe("The entry of its data that holds the public keys."),
  })
  .meta({
    id: "SecretReference",
    description: "A Secret with public keys in PEM, such as `cosign generate-key-pair k8s://NAMESPACE/NAME` makes.",
  });

/** Where the keys of an authority can stand. */
const sources = ["data", "file", "secretRef"] as const;

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
    secretRef: secretRef.optional(),
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
  .superRefine((written, context) => {
    if (written.require !== undefined && written.trustRoot === undefined)
      context.addIssue(parserIssue("evidence is required of nobody", "trustRoot beside require", "require alone"));
    const there = sources.filter((source) => written[source] !== undefined);
    if (there.length === 1) return;
    const found = there.length === 0 ? "none" : there.join(" and ");
    context.addIssue(parserIssue("a key stands at one place", `one of ${sources.join(", ")}`, found));
  })
  .meta({
    id: "Key",
    description: "Public keys of a signer: one of `data`, `file` and `secretRef`.",
    oneOf: sources.map((source) => ({ required: [source] })),
  });
