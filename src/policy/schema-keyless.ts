import * as z from "zod";
import { claimNames } from "../crypto/fulcio-claims.ts";
import { filled, parserIssue } from "./schema-parts.ts";

const text = z.string().min(1, filled).max(4096);
const regex = z.string().min(1, filled).max(2048);

/** Name of a trust root: lower-case letters, digits, `-`, `_` and `.`. */
export const rootName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "a name: lower-case letters, digits, -, _ and .");

const claims = z
  .strictObject(Object.fromEntries(claimNames.map((name) => [name, text.optional()])))
  .refine((record) => Object.keys(record).length > 0, "at least one claim");

const identity = z
  .strictObject({
    issuer: text.optional().describe("The OIDC issuer, exactly."),
    issuerRegex: regex.optional().describe("RE2 regular expression that must match the whole of the issuer."),
    subject: text.optional().describe("An alternative name of the certificate, exactly."),
    subjectRegex: regex.optional().describe("RE2 regular expression that must match the whole of such a name."),
    claims: claims
      .optional()
      .describe("Extensions of the certificate by name, exactly: sourceRepositoryURI, buildSignerURI, …")
      .meta({ minProperties: 1 }),
  })
  .superRefine(({ issuer, issuerRegex, subject, subjectRegex, claims }, context) => {
    if ((issuer === undefined) === (issuerRegex === undefined)) {
      const found = issuer === undefined ? "neither" : "both";
      context.addIssue(parserIssue("an identity has one issuer", "either issuer or issuerRegex", found));
    }
    if (subject !== undefined && subjectRegex !== undefined)
      context.addIssue(parserIssue("an identity has one subject", "either subject or subjectRegex", "both"));
    if (subject === undefined && subjectRegex === undefined && claims === undefined)
      context.addIssue(
        parserIssue("an identity would be everybody of the issuer", "subject, subjectRegex or claims", "none of them"),
      );
  })
  .meta({
    id: "KeylessIdentity",
    description: "Whom an issuer must have vouched for: an issuer, and a subject or claims or both.",
    oneOf: [{ required: ["issuer"] }, { required: ["issuerRegex"] }],
    anyOf: [{ required: ["subject"] }, { required: ["subjectRegex"] }, { required: ["claims"] }],
  });

/** What must be brought along beside a signature. */
export const keyEvidence = z
  .strictObject({
    log: z.boolean().optional().describe("An entry in a transparency log of the trust root."),
    timestamp: z.boolean().optional().describe("A timestamp of an authority of the trust root."),
  })
  .meta({
    id: "KeyEvidence",
    description: "Evidence that a signature must have, beside what the trust root asks for.",
  });

/** Signers without keys of their own. */
export const keyless = z
  .strictObject({
    identities: z.array(identity).min(1).max(100).describe("Whom the certificate must name; one is enough."),
    trustRoot: rootName
      .default("public-good")
      .describe(
        "Whose certificates, logs and timestamps are believed: public-good, a TrustRoot, or one that was added.",
      ),
    require: keyEvidence
      .optional()
      .describe("Evidence that a signature must have, beside what the trust root asks for."),
  })
  .meta({ id: "Keyless", description: "Signers with certificates for identities of OIDC issuers." });
