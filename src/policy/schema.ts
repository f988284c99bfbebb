import * as z from "zod";
import { checks } from "./schema-checks.ts";
import { key } from "./schema-key.ts";
import { filledTextMap, imageGlob, namespaceName, objectName, tagGlob, textMap, word } from "./schema-parts.ts";

/** The version of the policy format this program reads. */
export const policyApiVersion = "imagetrust.dev/v1alpha1";

/**
 * What the format names but this version cannot do, by the place it stands at. Such a field never loads: a check that
 * is written down and not made would be worse than none.
 */
export const plannedFields: Readonly<Record<string, readonly string[]>> = {
  spec: ["attestations", "condition"],
  "spec.match": ["namespaceSelector"],
  "spec.match.objectSelector": ["matchExpressions"],
  "spec.authorities": ["keyless", "certificate", "static"],
  "spec.authorities.key": ["secretRef", "kms"],
};

/** Kinds that the format names but this version cannot read. */
export const plannedKinds: readonly string[] = ["TrustRoot", "TrustException", "PolicyTest"];

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

const objectSelector = z
  .strictObject({
    matchLabels: filledTextMap.meta({ minProperties: 1, description: "Labels that the object must have, exactly." }),
  })
  .meta({ id: "ObjectSelector", description: "Labels of the Kubernetes object that names the image." });

const listOf = (item: z.ZodString) => z.array(item).min(1).max(100);
const groupGlob = z
  .string()
  .max(253)
  .regex(/^[a-z0-9.*-]*$/, "an API group in lower case, * for all");
const resourceGlob = z
  .string()
  .max(253)
  .regex(/^[a-z*]+$/, "a resource, plural and in lower case, such as deployments");
const namespaceGlob = z
  .string()
  .max(63)
  .regex(/^[a-z0-9*-]+$/, "a glob over namespaces: lower-case letters, digits, - and *");

const match = z
  .strictObject({
    apiGroups: listOf(groupGlob).optional().describe('API groups; "" is the core group, that of Pods.'),
    resources: listOf(resourceGlob).optional().describe("Resources, plural and in lower case: pods, deployments."),
    namespaces: listOf(namespaceGlob).optional().describe("Globs over the namespace of the object."),
    objectSelector: objectSelector.optional(),
  })
  .meta({ id: "Match", description: "Which Kubernetes objects: every field present must match." });

const authority = z
  .strictObject({
    name: word.describe("Name of the authority, unique in the policy; shown in verdicts."),
    owner: word
      .optional()
      .describe("Who stands behind it. Authorities with one owner count once. Default: the name of the authority."),
    key,
    annotations: filledTextMap
      .optional()
      .meta({ minProperties: 1, description: "Annotations that a signature must carry to count, exactly." }),
  })
  .meta({ id: "Authority", description: "A signer that the policy trusts." });

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
      .min(1)
      .max(100)
      .default(1)
      .describe("How many distinct signers among the authorities an image needs."),
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

/** The schema of each kind that can be read. */
export const policyKinds = { ClusterTrustPolicy: clusterTrustPolicy, TrustPolicy: trustPolicy } as const;

/** A policy as written, checked by shape alone. */
export type PolicyDocument = z.output<typeof clusterTrustPolicy> | z.output<typeof trustPolicy>;
export type AuthorityDocument = z.output<typeof authority>;

/** The JSON Schema (draft 2020-12) of a policy document: what `policies/schema.json` holds and editors complete from. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...generated } = z.toJSONSchema(z.union([clusterTrustPolicy, trustPolicy]), {
    target: "draft-2020-12",
    io: "input",
  });
  return {
    $schema,
    title: "Policies of imagetrust.dev/v1alpha1",
    ...generated,
  };
}
