import * as z from "zod";
import { TrustError } from "../../errors.ts";
import { predicateKinds } from "../../formats/predicate-types.ts";
import { parseRepository } from "../../oci/reference.ts";
import { parsePolicyKeys } from "../policy-keys.ts";
import { filled, parsable, parserIssue } from "../schema-parts.ts";
import { checkKms } from "./kms.ts";
import { displayName, filledName, isSet, longText, oneOf, text } from "./schema-parts.ts";

/** A check of a text that may be empty. */
function unlessEmpty(parse: (text: string) => unknown) {
  return parsable((value) => (value === "" ? undefined : parse(value)));
}

const secretRef = z.strictObject({ name: text.optional(), namespace: text.optional() });
const keySources = ["data", "kms", "secretRef"] as const;

const key = z
  .strictObject({
    secretRef: secretRef.optional(),
    data: longText.superRefine(unlessEmpty(parsePolicyKeys)).optional(),
    kms: text.superRefine(unlessEmpty(checkKms)).optional(),
    hashAlgorithm: z.enum(["", "sha224", "sha256", "sha384", "sha512"]).optional(),
  })
  .superRefine((written, context) => oneOf(written, keySources, context, "a key stands at one place"));

/** Certificates of an authority, by the same three ways; what PEM it is, its reader says. */
const certificates = z
  .strictObject({
    secretRef: secretRef.optional(),
    data: longText.optional(),
    kms: text.superRefine(unlessEmpty(checkKms)).optional(),
    hashAlgorithm: text.optional(),
  })
  .superRefine((written, context) => oneOf(written, keySources, context, "certificates stand at one place"));

const identityPairs = [
  ["issuer", "issuerRegExp"],
  ["subject", "subjectRegExp"],
] as const;

const identity = z
  .strictObject({
    issuer: text.optional(),
    issuerRegExp: text.optional(),
    subject: text.optional(),
    subjectRegExp: text.optional(),
  })
  .superRefine((written, context) => {
    for (const [exact, regex] of identityPairs) oneOf(written, [exact, regex], context, `an identity has one ${exact}`);
  });

const url = text.superRefine(
  unlessEmpty((value) => {
    if (URL.canParse(value)) return;
    throw new TrustError("POLICY_INVALID", "not a URL", { expected: "a URL, such as https://rekor.sigstore.dev" });
  }),
);

const keyless = z
  .strictObject({
    url: url.optional(),
    "ca-cert": certificates.optional(),
    identities: z.array(identity).min(1).max(1000),
    trustRootRef: text.optional(),
    insecureIgnoreSCT: z.boolean().optional(),
  })
  .superRefine((written, context) => {
    if (isSet(written.url) && isSet(written["ca-cert"]))
      context.addIssue(parserIssue("certificates are of one authority", "either url or ca-cert", "both"));
  });

const staticRef = z.strictObject({ action: z.enum(["pass", "fail"]), message: text.optional() });

const source = z.strictObject({
  oci: text.superRefine(unlessEmpty(parseRepository)).optional(),
  signaturePullSecrets: z
    .array(z.strictObject({ name: text.min(1, filled) }))
    .max(100)
    .optional(),
  tagPrefix: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9_.-]*$/, "what a tag can begin with")
    .optional(),
});

const common = {
  type: z.enum(["cue", "rego"]),
  data: longText.optional(),
  configMapRef: z
    .strictObject({ name: text.min(1, filled), namespace: text.optional(), key: text.min(1, filled) })
    .optional(),
  remote: z
    .strictObject({
      url: text.regex(/^https:\/\/[^/]/, "an https URL"),
      sha256sum: z.string().regex(/^[0-9a-fA-F]{64}$/, "64 hex digits"),
    })
    .optional(),
};
const policySources = ["data", "configMapRef", "remote"] as const;

const attestationPolicy = z
  .strictObject(common)
  .superRefine((written, context) => oneOf(written, policySources, context, "a policy stands at one place"));

const flag = z.boolean().optional();

/** The field `spec.policy`. */
export const specPolicy = z
  .strictObject({
    ...common,
    ...{ fetchConfigFile: flag, includeSpec: flag, includeObjectMeta: flag, includeTypeMeta: flag },
  })
  .superRefine((written, context) => oneOf(written, policySources, context, "a policy stands at one place"));

const uri = /^(?:[a-z][a-z0-9+.-]*:\S+|\/\S*)$/i;

const attestation = z.strictObject({
  name: filledName,
  predicateType: text
    .min(1, filled)
    .refine(
      (type) => Object.hasOwn(predicateKinds, type) || uri.test(type),
      `${Object.keys(predicateKinds).join(", ")}, or a URI`,
    ),
  policy: attestationPolicy.optional(),
});

const witness = z.strictObject({ trustRootRef: text.optional() });
const kinds = ["key", "keyless", "static"] as const;

/** One entry of `spec.authorities`. */
export const authority = z
  .strictObject({
    name: displayName.optional(),
    key: key.optional(),
    keyless: keyless.optional(),
    static: staticRef.optional(),
    source: z.array(source).max(1).optional(),
    ctlog: witness.extend({ url: url.optional() }).optional(),
    attestations: z.array(attestation).max(100).optional(),
    rfc3161timestamp: witness.optional(),
    signatureFormat: z.enum(["", "legacy", "bundle"]).optional(),
  })
  .superRefine((written, context) => {
    oneOf(written, kinds, context, "an authority is of one kind");
    if (written.static !== undefined) refuseBesideStatic(written, context);
    if (written.signatureFormat === "bundle") checkBundle(written, context);
  });

function refuseBesideStatic(written: object, context: z.RefinementCtx): void {
  for (const field of ["attestations", "source", "ctlog", "rfc3161timestamp"]) {
    const value: unknown = Reflect.get(written, field);
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    context.addIssue(parserIssue(`${field} beside static`, "one of them: static looks at no signature", field));
  }
}

type Written = z.output<typeof authority>;

/** A bundle is proved by one root. */
function checkBundle({ keyless, ctlog, rfc3161timestamp }: Written, context: z.RefinementCtx): void {
  if (keyless === undefined) {
    context.addIssue(parserIssue("signatureFormat bundle", "keyless beside it", "another kind of authority"));
    return;
  }
  const own = keyless.trustRootRef ?? "";
  for (const [field, ref] of [
    ["ctlog", ctlog?.trustRootRef],
    ["rfc3161timestamp", rfc3161timestamp?.trustRootRef],
  ] as const)
    if (isSet(ref) && ref !== own)
      context.addIssue(
        parserIssue(`${field}.trustRootRef is another than that of keyless`, JSON.stringify(own), JSON.stringify(ref)),
      );
}
