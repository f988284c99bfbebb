import * as z from "zod";
import { filled, objectName } from "../schema-parts.ts";

const text = z.string().max(4096);
const long = z.string().max(1024 * 1024);
const some = z.unknown().optional();
const texts = z.array(text.min(1, filled)).max(1000);
const metadata = z.looseObject({ name: objectName, namespace: z.string().max(63).optional() });

const rekor = z.strictObject({ url: text.optional(), pubkey: long.optional(), ignoreTlog: z.boolean().optional() });
const ctlog = z.strictObject({
  ignoreSCT: z.boolean().optional(),
  pubkey: long.optional(),
  tsaCertChain: long.optional(),
});
const witnesses = { rekor: rekor.optional(), ctlog: ctlog.optional() };

const keys = z.strictObject({
  publicKeys: long.optional(),
  signatureAlgorithm: text.optional(),
  kms: text.optional(),
  secret: z.strictObject({ name: text, namespace: text }).optional(),
  ...witnesses,
});

const keyless = z.strictObject({
  issuer: text.optional(),
  issuerRegExp: text.optional(),
  subject: text.optional(),
  subjectRegExp: text.optional(),
  roots: long.optional(),
  additionalExtensions: z.record(z.string(), text).optional(),
  ...witnesses,
});

const entry = z.strictObject({
  keys: keys.optional(),
  keyless: keyless.optional(),
  certificates: z.strictObject({ cert: long.optional(), certChain: long.optional(), ...witnesses }).optional(),
  attestor: some,
  annotations: z.record(z.string(), text).optional(),
  repository: text.optional(),
  signatureAlgorithm: text.optional(),
});

const attestor = z.strictObject({ count: z.int().min(1).max(100).optional(), entries: z.array(entry).min(1).max(100) });

const attestation = z.strictObject({
  name: text.optional(),
  type: text.optional(),
  predicateType: text.optional(),
  attestors: z.array(attestor).min(1).max(100).optional(),
  conditions: some,
});

const verifyImages = z.strictObject({
  type: z.enum(["Cosign", "SigstoreBundle", "Notary"]).optional(),
  imageReferences: texts.min(1).optional(),
  skipImageReferences: texts.optional(),
  image: text.optional(),
  key: long.optional(),
  issuer: text.optional(),
  subject: text.optional(),
  roots: long.optional(),
  annotations: z.record(z.string(), text).optional(),
  additionalExtensions: z.record(z.string(), text).optional(),
  attestors: z.array(attestor).min(1).max(100).optional(),
  attestations: z.array(attestation).min(1).max(100).optional(),
  repository: text.optional(),
  ...{ mutateDigest: z.boolean().optional(), verifyDigest: z.boolean().optional(), required: z.boolean().optional() },
  ...{ useCache: z.boolean().optional(), cosignOCI11: z.boolean().optional(), failureAction: text.optional() },
  ...{ imageRegistryCredentials: some, validate: some },
});

const rule = z.looseObject({
  name: text.min(1, filled),
  verifyImages: z.array(verifyImages).min(1).max(100).optional(),
});

/** ClusterPolicy and Policy of kyverno.io. Rules of other kinds are not looked into. */
export const kyvernoPolicy = z.looseObject({
  apiVersion: z.enum(["kyverno.io/v1", "kyverno.io/v2beta1"]),
  kind: z.enum(["ClusterPolicy", "Policy"]),
  metadata,
  spec: z.looseObject({
    rules: z.array(rule).min(1).max(1000),
    validationFailureAction: z.enum(["Enforce", "Audit", "enforce", "audit"]).optional(),
  }),
});

export type KyvernoPolicy = z.output<typeof kyvernoPolicy>;
export type KyvernoRule = z.output<typeof rule>;
export type VerifyImages = z.output<typeof verifyImages>;
export type KyvernoAttestor = z.output<typeof attestor>;
export type KyvernoEntry = z.output<typeof entry>;
