import * as z from "zod";
import { rootName } from "./schema-keyless.ts";
import { filled, parserIssue } from "./schema-parts.ts";

const maxPemLength = 1024 * 1024;
const pem = z.string().min(1, filled).max(maxPemLength);
const file = z.string().min(1, filled).max(4096);

const identity = z
  .strictObject({
    san: z
      .string()
      .min(1, filled)
      .max(4096)
      .optional()
      .describe("The alternative name that the certificate must have."),
    sanRegex: z
      .string()
      .min(1, filled)
      .max(2048)
      .optional()
      .describe("RE2 regular expression that must match the whole of an alternative name."),
    type: z
      .enum(["email", "uri", "dns", "ip", "otherName"])
      .optional()
      .describe("Kind of the alternative name. Default: any."),
  })
  .superRefine(({ san, sanRegex }, context) => {
    if ((san === undefined) !== (sanRegex === undefined)) return;
    const found = san === undefined ? "neither" : "both";
    context.addIssue(parserIssue("an identity has one name", "either san or sanRegex", found));
  })
  .meta({
    id: "CertificateIdentity",
    description: "Whom a certificate must name: either `san` or `sanRegex`.",
    oneOf: [{ required: ["san"] }, { required: ["sanRegex"] }],
  });

/** Certificate authorities of one's own, and whom their certificates must name. */
export const certificate = z
  .strictObject({
    roots: pem.optional().describe("Certificates of trusted authorities, in PEM."),
    rootsFile: file
      .optional()
      .describe("File with them, relative to the policy file. Only in policies read from disk."),
    intermediates: pem
      .optional()
      .describe("Certificates in PEM that help to find the path to a root; signatures may bring others along."),
    intermediatesFile: file
      .optional()
      .describe("File with them, relative to the policy file. Only in policies read from disk."),
    trustRoot: rootName
      .optional()
      .describe("Whose logs and timestamps prove when a certificate was used. Absent: it must be valid now."),
    identities: z.array(identity).min(1).max(100).describe("Whom the certificate must name; one is enough."),
  })
  .superRefine(({ roots, rootsFile, intermediates, intermediatesFile }, context) => {
    if ((roots === undefined) === (rootsFile === undefined)) {
      const found = roots === undefined ? "neither" : "both";
      context.addIssue(parserIssue("roots stand at one place", "either roots or rootsFile", found));
    }
    if (intermediates !== undefined && intermediatesFile !== undefined)
      context.addIssue(
        parserIssue("intermediates stand at one place", "either intermediates or intermediatesFile", "both"),
      );
  })
  .meta({
    id: "Certificate",
    description: "Signers with certificates of one's own authorities: either `roots` or `rootsFile`.",
    oneOf: [{ required: ["roots"] }, { required: ["rootsFile"] }],
  });
