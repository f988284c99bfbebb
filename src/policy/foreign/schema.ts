import * as z from "zod";
import { filled, parsable, parserIssue } from "../schema-parts.ts";
import { foreignVersions } from "./kinds.ts";
import { parseNameGlob } from "./name-glob.ts";
import { checkRootJson } from "./remote-root.ts";
import { authority, specPolicy } from "./schema-authority.ts";
import { isSet, longText, metadata, oneOf, selector, status, text } from "./schema-parts.ts";

const resources = ["pods", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"] as const;

const match = z
  .strictObject({
    group: text.optional(),
    version: text.optional(),
    resource: z.enum(["", ...resources]).optional(),
    selector: selector.optional(),
  })
  .superRefine(({ group, version, resource, selector: labels }, context) => {
    if (labels === undefined || [group, version, resource].some(isSet)) return;
    context.addIssue(parserIssue("a selector without a resource", "resource, version and group beside it", "none"));
  });

const image = z.strictObject({ glob: z.string().min(1, filled).max(512).superRefine(parsable(parseNameGlob)) });

const clusterImagePolicy = z.strictObject({
  apiVersion: z.enum(foreignVersions),
  kind: z.literal("ClusterImagePolicy"),
  metadata,
  spec: z.strictObject({
    images: z.array(image).min(1).max(1000),
    authorities: z.array(authority).min(1).max(100),
    policy: specPolicy.optional(),
    mode: z.enum(["", "enforce", "warn"]).optional(),
    match: z.array(match).max(100).optional(),
  }),
  status,
});

const base64 = z
  .string()
  .min(1, filled)
  .max(4 * 1024 * 1024)
  .regex(/^[A-Za-z0-9+/\s]+={0,2}\s*$/, { error: "base64", abort: true });
const rootJson = base64.superRefine(parsable(checkRootJson));
const targets = { targets: text.optional(), trustedRootTarget: text.optional() };

const log = z.strictObject({
  baseURL: text.min(1, filled),
  hashAlgorithm: text.min(1, filled),
  publicKey: base64,
});

const certificateAuthority = z.strictObject({
  subject: z.strictObject({ organization: text.min(1, filled), commonName: text.min(1, filled) }),
  uri: text.min(1, filled),
  certChain: base64,
});

const sigstoreKeys = z
  .strictObject({
    certificateAuthorities: z.array(certificateAuthority).max(100).optional(),
    tLogs: z.array(log).max(100).optional(),
    ctLogs: z.array(log).max(100).optional(),
    timestampAuthorities: z.array(certificateAuthority).max(100).optional(),
  })
  .superRefine(({ certificateAuthorities = [], timestampAuthorities = [] }, context) => {
    if (certificateAuthorities.length + timestampAuthorities.length > 0) return;
    context.addIssue(parserIssue("keys of nobody", "certificateAuthorities or timestampAuthorities", "neither"));
  });

const rootSources = ["remote", "repository", "sigstoreKeys", "trustedRootJSON"] as const;

const trustRoot = z.strictObject({
  apiVersion: z.enum(foreignVersions),
  kind: z.literal("TrustRoot"),
  metadata,
  spec: z
    .strictObject({
      remote: z.strictObject({ root: rootJson, mirror: text.min(1, filled), ...targets }).optional(),
      repository: z
        .strictObject({ root: rootJson, mirrorFS: base64, ...targets, targets: text.min(1, filled) })
        .optional(),
      sigstoreKeys: sigstoreKeys.optional(),
      trustedRootJSON: longText.optional(),
    })
    .superRefine((written, context) => oneOf(written, rootSources, context, "a root is written in one way")),
  status,
});

/** The schema of each kind of policy-controller that is read. */
export const foreignKinds = { ClusterImagePolicy: clusterImagePolicy, TrustRoot: trustRoot } as const;

export type ImagePolicyDocument = z.output<typeof clusterImagePolicy>;
export type ImageAuthority = ImagePolicyDocument["spec"]["authorities"][number];
export type ForeignRootDocument = z.output<typeof trustRoot>;
