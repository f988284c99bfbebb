import * as z from "zod";
import { errorCodes } from "../errors.ts";
import { policyApiVersion, testKind } from "../policy/schema.ts";

const path = z.string().min(1).max(1000);
const text = z.string().min(1).max(1000);
const labels = z.record(z.string().min(1).max(317), z.string().max(63));
const time = z
  .string()
  .max(40)
  .refine(
    (value) => /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value)),
    "a time as in RFC 3339, such as 2026-12-01T00:00:00Z",
  );
const codes = Object.keys(errorCodes) as [keyof typeof errorCodes, ...(keyof typeof errorCodes)[]];

const object = z
  .looseObject({
    apiVersion: z.string().min(1).max(253).describe("GROUP/VERSION, or VERSION for the core group."),
    kind: z
      .string()
      .regex(/^[A-Z][A-Za-z0-9]{0,62}$/, "a kind, such as Deployment")
      .describe("The kind of the object."),
    metadata: z
      .looseObject({
        name: z.string().max(253).optional(),
        namespace: z.string().max(63).optional(),
        labels: labels.optional(),
      })
      .default({})
      .describe("Name, namespace and labels count; the rest is not looked at."),
  })
  .meta({ id: "Object", description: "The Kubernetes object that names the image, as it would be applied." });

const expectation = z
  .strictObject({
    outcome: z.enum(["allow", "warn", "deny"]).describe("What the policies decide."),
    status: z
      .enum(["trusted", "untrusted", "no-policy", "exempt", "static", "unavailable"])
      .optional()
      .describe("The status of the verdict."),
    code: z.enum(codes).optional().describe("A finding that the verdict has, such as SIGNER_NOT_TRUSTED."),
    policy: text
      .optional()
      .describe("The policy that has the finding; without `code`, one that refuses a denied image or passes another."),
  })
  .meta({ id: "Expectation", description: "The verdict that the case asks for; each field that is given must fit." });

const testCase = z
  .strictObject({
    name: text.describe("What the case shows, in a sentence."),
    image: text.describe("The image, as an object or a command line names it."),
    object: object.optional().describe("Absent: judged as on the command line, where `match` is taken as true."),
    namespace: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .describe("Namespace of an object that names none; without an object, of a Pod."),
    namespaceLabels: labels.optional().describe("Labels of the namespace. Absent: not known."),
    now: time.optional().describe("When this case is judged, instead of the time of the file."),
    expect: expectation,
  })
  .meta({ id: "Case" });

/** A file of `trust policy test`. */
export const policyTest = z
  .strictObject({
    apiVersion: z.literal(policyApiVersion).default(policyApiVersion),
    kind: z.literal(testKind),
    metadata: z
      .strictObject({ name: text, labels: labels.optional(), annotations: labels.optional() })
      .optional()
      .describe("For reports; without effect."),
    policies: z.array(path).min(1).max(100).describe("Policy files and folders, from the folder of this file."),
    evidence: z
      .array(path)
      .min(1)
      .max(1000)
      .optional()
      .describe("Files made by `trust policy record`. Not needed where names alone decide."),
    now: time.describe("When the images are judged, RFC 3339."),
    noMatch: z.enum(["deny", "warn", "allow"]).default("deny").describe("The outcome where no policy matches."),
    signatureRepository: text.optional().describe("Where signatures of all images are looked for, too."),
    cases: z.array(testCase).min(1).max(10_000),
  })
  .meta({ id: "PolicyTest", description: "Cases that policies are held to, on recorded evidence." });

export type PolicyTestDocument = z.output<typeof policyTest>;
export type TestCase = PolicyTestDocument["cases"][number];

/** The JSON Schema (draft 2020-12) of a test file, for editors. */
export function policyTestJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...generated } = z.toJSONSchema(policyTest, { target: "draft-2020-12", io: "input" });
  return { $schema, title: "Tests of policies of imagetrust.dev/v1alpha1", ...generated };
}
