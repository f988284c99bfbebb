import * as z from "zod";
import { attestations, condition, staticAction } from "./schema-attestations.ts";
import { certificate } from "./schema-certificate.ts";
import { checks } from "./schema-checks.ts";
import { exceptionSpec } from "./schema-exception.ts";
import { key } from "./schema-key.ts";
import { keyless } from "./schema-keyless.ts";
import { match } from "./schema-match.ts";
import {
  filledTextMap,
  imageGlob,
  namespaceName,
  objectName,
  parserIssue,
  tagGlob,
  textMap,
  word,
} from "./schema-parts.ts";
import { rootMetadata, rootSpec } from "./schema-root.ts";

/** The version of the policy format this program reads. */
export const policyApiVersion = "imagetrust.dev/v1alpha1";

/**
 * What the format names but this version cannot do, by the place it stands at. Such a field never loads: a check that
 * is written down and not made would be worse than none.
 */
export const plannedFields: Readonly<Record<string, readonly string[]>> = {
  "spec.authorities.key": ["kms"],
};

/** The kind of the files that `trust policy test` reads. */
export const testKind = "PolicyTest";

const metadata = {
  name: objectName.describe("Name of the policy, unique among the policies loaded together."),
  labels: textMap.optional().describe("For other tools; without effect on decisions."),
  annotations: textMap.optional().describe("For other tools; without effect on decisions."),
};

const image = z
  .strictObject({
    glob: imageGlob.describe("REGISTRY/REPOSITORY; `*` is any run of characters without `/`, `**` any run at all."),
    tags: z
      .array(tagGlob)
      .min(1)
      .max(100)
      .optional()
      .describe("Globs over the tag. A reference by digest alone matches every `tags`. Absent: every tag."),
  })
  .meta({ id: "Image", description: "Which images the policy speaks about." });

/** Of these fields an authority has one. */
const authorityKinds = ["key", "keyless", "certificate", "static"] as const;

const authority = z
  .strictObject({
    name: word.describe("Name of the authority, unique in the policy; shown in verdicts."),
    owner: word
      .optional()
      .describe("Who stands behind it. Authorities with one owner count once. Default: the name of the authority."),
    key: key.optional(),
    keyless: keyless.optional(),
    certificate: certificate.optional(),
    static: staticAction.optional(),
    annotations: filledTextMap
      .optional()
      .meta({ minProperties: 1, description: "Annotations that a signature must carry to count, exactly." }),
  })
  .superRefine((written, context) => {
    const kinds = authorityKinds.filter((kind) => written[kind] !== undefined);
    if (kinds.length !== 1) {
      const found = kinds.length === 0 ? "none" : kinds.join(" and ");
      context.addIssue(parserIssue("an authority is of one kind", `one of ${authorityKinds.join(", ")}`, found));
    }
    if (written.static === undefined) return;
    for (const field of ["owner", "annotations"] as const)
      if (written[field] !== undefined)
        context.addIssue(parserIssue(`${field} of an authority that signs nothing`, "only name and static", field));
  })
  .meta({
    id: "Authority",
    description: "A signer that the policy trusts, or what it says in the open.",
    oneOf: authorityKinds.map((kind) => ({ required: [kind] })),
  });

const spec = z
  .strictObject({
    mode: z
      .enum(["enforce", "warn", "audit"])
      .default("enforce")
      .describe("What a failure does: deny, pass with a warning, or pass and be recorded."),
    images: z.array(image).min(1).max(1000).describe("Which images; one match is enough."),
    exclude: z
      .array(imageGlob)
      .max(1000)
      .default([])
      .describe("Globs, as in `images`. An excluded image counts as matched and passes this policy."),
    match: z
      .array(match)
      .max(100)
      .default([])
      .describe("Which Kubernetes objects; one match is enough, none means all. Taken as true on the command line."),
    authorities: z.array(authority).min(1).max(100).describe("The signers that the policy trusts."),
    threshold: z
      .int()
      .min(0)
      .max(100)
      .default(1)
      .describe("How many distinct signers among the authorities an image needs. 0 only with `attestations`."),
    attestations: attestations.optional(),
    condition: condition.optional().describe("CEL over `image`, `config` and `object`; must be true, beside all else."),
    ...checks,
  })
  .meta({ id: "Spec" });

const apiVersion = z.literal(policyApiVersion);

const clusterTrustPolicy = z
  .strictObject({
    apiVersion,
    kind: z.literal("ClusterTrustPolicy"),
    metadata: z.strictObject(metadata),
    spec,
  })
  .meta({ id: "ClusterTrustPolicy", description: "A policy for images anywhere." });

const trustPolicy = z
  .strictObject({
    apiVersion,
    kind: z.literal("TrustPolicy"),
    metadata: z.strictObject({
      ...metadata,
      namespace: namespaceName.describe("The policy applies to objects of this namespace only."),
    }),
    spec,
  })
  .meta({ id: "TrustPolicy", description: "A policy of one namespace. It can only add denials there." });

const trustException = z
  .strictObject({
    apiVersion,
    kind: z.literal("TrustException"),
    metadata: z.strictObject(metadata),
    spec: exceptionSpec,
  })
  .meta({ id: "TrustException", description: "Lets images pass policies in the open, until it expires." });

const trustRoot = z
  .strictObject({ apiVersion, kind: z.literal("TrustRoot"), metadata: rootMetadata, spec: rootSpec })
  .meta({ id: "TrustRoot", description: "A deployment of Sigstore, by a name that authorities call it by." });

/** The schema of each kind that can be read. */
export const policyKinds = {
  ClusterTrustPolicy: clusterTrustPolicy,
  TrustPolicy: trustPolicy,
  TrustException: trustException,
  TrustRoot: trustRoot,
} as const;

/** A policy as written, checked by shape alone. */
export type PolicyDocument = z.output<typeof clusterTrustPolicy> | z.output<typeof trustPolicy>;
export type AuthorityDocument = z.output<typeof authority>;
export type RootDocument = z.output<typeof trustRoot>;
export type ExceptionDocument = z.output<typeof trustException>;

/** The JSON Schema (draft 2020-12) of a policy document: what `policies/schema.json` holds and editors complete from. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...generated } = z.toJSONSchema(z.union(Object.values(policyKinds)), {
    target: "draft-2020-12",
    io: "input",
  });
  return {
    $schema,
    title: "Policies of imagetrust.dev/v1alpha1",
    ...generated,
  };
}
