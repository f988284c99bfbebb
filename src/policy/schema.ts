import * as z from "zod";
import { isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { timeOf } from "./binding.ts";
import { parseImageGlob, parseTagGlob } from "./glob.ts";
import { parsePolicyKeys } from "./policy-keys.ts";
import { parseDuration } from "./settings.ts";

/** The version of the policy format this program reads. */
export const policyApiVersion = "imagetrust.dev/v1alpha1";

/**
 * What the format names but this version cannot do, by the place it stands at. Such a field never loads: a check that
 * is written down and not made would be worse than none.
 */
export const plannedFields: Readonly<Record<string, readonly string[]>> = {
  spec: ["attestations", "mirrors", "platforms", "condition", "signedIdentity"],
  "spec.match": ["namespaceSelector"],
  "spec.match.objectSelector": ["matchExpressions"],
  "spec.authorities": ["keyless", "certificate", "static"],
  "spec.authorities.key": ["secretRef", "kms"],
};

/** Kinds that the format names but this version cannot read. */
export const plannedKinds: readonly string[] = ["TrustRoot", "TrustException", "PolicyTest"];

/** An issue in words of ours; the other ones are put into words by `shapeProblems`. */
function parserIssue(message: string, expected?: string, found?: string) {
  return { code: "custom", message, params: { parser: true, expected, found } } as const;
}

/** A check that a text can be parsed; what the parser expected and found goes into the problem. */
function parsable(parse: (text: string) => unknown): (text: string, context: z.RefinementCtx<string>) => void {
  return (text, context) => {
    try {
      parse(text);
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      context.addIssue(parserIssue(error.message, error.expected, error.found));
    }
  };
}

/** A century is as good as for ever, and still a time. */
const longestDuration = 36_500 * 24 * 3600 * 1000;

function parseLimitedDuration(text: string): number {
  const duration = parseDuration(text);
  if (duration <= longestDuration) return duration;
  throw new TrustError("CONFIG_INVALID", "too long a duration", { expected: "at most 36500d", found: text });
}

/** An empty text is one problem, not two. */
const filled = { abort: true } as const;
const label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";

const objectName = z
  .string()
  .max(253)
  .regex(new RegExp(`^${label}(\\.${label})*$`), "lower-case letters, digits, - and . (a DNS name)");

const namespaceName = z
  .string()
  .max(63)
  .regex(new RegExp(`^${label}$`), "lower-case letters, digits and - (a DNS label)");

/** Names in messages and verdicts: printable, no white space at the ends, no surprises in a log line. */
const word = z
  .string()
  .min(1, filled)
  .max(253)
  .regex(/^[\p{L}\p{N}\p{P}\p{S}]+$/u, "letters, digits and punctuation, without spaces");

const textMap = z.record(z.string().min(1).max(253), z.string().max(4096));
const filledTextMap = textMap.refine((map) => Object.keys(map).length > 0, "at least one entry");

const imageGlob = z.string().min(1, filled).max(512).superRefine(parsable(parseImageGlob));
const tagGlob = z.string().min(1, filled).max(128).superRefine(parsable(parseTagGlob));

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

const time = z
  .string()
  .max(40)
  .refine((text) => !Number.isNaN(timeOf(text)), "a time as in RFC 3339, such as 2026-12-01T00:00:00Z");
const digest = z.string().max(200).refine(isDigest, "sha256: and 64 lower-case hex digits");

const revoked = z
  .strictObject({
    at: time.describe("Since when the key cannot be trusted: not the time of discovery, the time of the theft."),
    reason: z.string().min(1, filled).max(500).describe("Why; shown in verdicts."),
  })
  .meta({ id: "Revoked", description: "The key is not trusted any more." });

const key = z
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
    frozen: z
      .array(digest)
      .min(1)
      .max(100_000)
      .optional()
      .describe("Signatures that count although the key is revoked or its time is over (`trust policy freeze`)."),
  })
  .superRefine(({ data, file }, context) => {
    if ((data === undefined) !== (file === undefined)) return;
    const found = data === undefined ? "neither" : "both";
    context.addIssue(parserIssue("a key stands at one place", "either data or file", found));
  })
  .meta({
    id: "Key",
    description: "Public keys of a signer: either `data` or `file`.",
    oneOf: [{ required: ["data"] }, { required: ["file"] }],
  });

const duration = z.string().max(32).superRefine(parsable(parseLimitedDuration));

const freshness = z
  .strictObject({
    maxAge: duration.optional().describe("How long after its creation a signature counts, such as 90d."),
    tagBinding: z
      .enum(["required", "optional"])
      .default("optional")
      .describe("required: the signature must bind the repository and tag of the reference (`trust sign --bind-tag`)."),
    digestOnly: z
      .enum(["allow", "deny"])
      .default("deny")
      .describe("Whether a reference by digest alone passes where a tag must be bound."),
    grace: duration.optional().describe("How much longer a reference that names the digest passes. Default: 0."),
  })
  .meta({ id: "Freshness", description: "What a signature must say about time and name to count." });

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
    freshness: freshness.optional(),
    revokedSignatures: z
      .array(digest)
      .min(1)
      .max(100_000)
      .optional()
      .describe("Signatures that never count, by the digest that verdicts name as evidence."),
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
