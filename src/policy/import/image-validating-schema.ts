import * as z from "zod";
import { filled, objectName } from "../schema-parts.ts";

const text = z.string().max(4096);
const long = z.string().max(1024 * 1024);
const some = z.unknown().optional();
const flag = z.boolean().optional();

const identity = z.strictObject({
  issuer: text.optional(),
  issuerRegExp: text.optional(),
  subject: text.optional(),
  subjectRegExp: text.optional(),
});

const ctlog = z.strictObject({
  url: text.optional(),
  rekorPubKey: long.optional(),
  ctLogPubKey: long.optional(),
  tsaCertChain: long.optional(),
  insecureIgnoreTlog: flag,
  insecureIgnoreSCT: flag,
});

const cosign = z.strictObject({
  key: z
    .strictObject({
      data: long.optional(),
      kms: text.optional(),
      secretRef: some,
      hashAlgorithm: text.optional(),
      expression: text.optional(),
    })
    .optional(),
  keyless: z.strictObject({ identities: z.array(identity).min(1).max(100), roots: some }).optional(),
  certificate: some,
  source: some,
  ctlog: ctlog.optional(),
  tuf: some,
  annotations: z.record(z.string(), text).optional(),
});

const word = text.min(1, filled);
const attestor = z.strictObject({ name: word, cosign: cosign.optional(), notary: some });
const attestation = z.strictObject({
  name: word,
  intoto: z.strictObject({ type: text }).optional(),
  referrer: z.strictObject({ type: text }).optional(),
});

const versions = ["v1", "v1beta1", "v1alpha1"].map((version) => `policies.kyverno.io/${version}`);

/** ImageValidatingPolicy of policies.kyverno.io, and its namespaced form. */
export const imageValidatingPolicy = z.looseObject({
  apiVersion: z.enum(versions),
  kind: z.enum(["ImageValidatingPolicy", "NamespacedImageValidatingPolicy"]),
  metadata: z.looseObject({ name: objectName, namespace: z.string().max(63).optional() }),
  spec: z.looseObject({
    matchImageReferences: z
      .array(z.strictObject({ glob: text.optional(), expression: text.optional() }))
      .max(1000)
      .optional(),
    attestors: z.array(attestor).min(1).max(100),
    attestations: z.array(attestation).max(100).optional(),
    validations: z
      .array(z.looseObject({ expression: z.string().min(1, filled).max(10_000) }))
      .min(1)
      .max(100),
    validationActions: z.array(z.enum(["Deny", "Audit", "Warn"])).optional(),
  }),
});

export type ImageValidatingDocument = z.output<typeof imageValidatingPolicy>;
export type CosignAttestor = z.output<typeof cosign>;
