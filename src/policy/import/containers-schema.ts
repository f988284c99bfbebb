import * as z from "zod";
import { oneOf } from "../foreign/schema-parts.ts";
import { filled } from "../schema-parts.ts";

const text = z.string().min(1, filled).max(4096);
const base64 = z
  .string()
  .min(1, filled)
  .max(4 * 1024 * 1024)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, "base64");
const texts = z.array(text).min(1).max(100);
const data = z.array(base64).min(1).max(100);

const signedIdentity = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("matchExact") }),
  z.strictObject({ type: z.literal("matchRepoDigestOrExact") }),
  z.strictObject({ type: z.literal("matchRepository") }),
  z.strictObject({ type: z.literal("exactReference"), dockerReference: text }),
  z.strictObject({ type: z.literal("exactRepository"), dockerRepository: text }),
  z.strictObject({ type: z.literal("remapIdentity"), prefix: text, signedPrefix: text }),
]);

const fulcio = z
  .strictObject({ caPath: text.optional(), caData: base64.optional(), oidcIssuer: text, subjectEmail: text })
  .superRefine((written, context) => oneOf(written, ["caPath", "caData"], context, "certificates stand at one place"));

const pki = z
  .strictObject({
    caRootsPath: text.optional(),
    caRootsData: base64.optional(),
    caIntermediatesPath: text.optional(),
    caIntermediatesData: base64.optional(),
    subjectEmail: text.optional(),
    subjectHostname: text.optional(),
  })
  .superRefine((written, context) => {
    oneOf(written, ["caRootsPath", "caRootsData"], context, "roots stand at one place");
    if (written.subjectEmail !== undefined || written.subjectHostname !== undefined) return;
    context.addIssue({
      code: "custom",
      message: "everybody that the authority certifies",
      params: { parser: true, expected: "subjectEmail or subjectHostname", found: "neither" },
    });
  });

const sources = ["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"] as const;
const logs = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"] as const;

const sigstoreSigned = z
  .strictObject({
    type: z.literal("sigstoreSigned"),
    keyPath: text.optional(),
    keyPaths: texts.optional(),
    keyData: base64.optional(),
    keyDatas: data.optional(),
    fulcio: fulcio.optional(),
    pki: pki.optional(),
    rekorPublicKeyPath: text.optional(),
    rekorPublicKeyPaths: texts.optional(),
    rekorPublicKeyData: base64.optional(),
    rekorPublicKeyDatas: data.optional(),
    signedIdentity: signedIdentity.optional(),
  })
  .superRefine((written, context) => {
    oneOf(written, sources, context, "signers stand at one place");
    const there = logs.filter((field) => written[field] !== undefined);
    const wanted =
      written.fulcio !== undefined
        ? there.length === 1
        : written.pki !== undefined
          ? there.length === 0
          : there.length <= 1;
    if (wanted) return;
    const expected =
      written.fulcio !== undefined ? `one of ${logs.join(", ")}` : written.pki !== undefined ? "none" : "at most one";
    const found = there.length === 0 ? "none" : there.join(" and ");
    context.addIssue({ code: "custom", message: "the keys of the log", params: { parser: true, expected, found } });
  });

const signedBy = z.looseObject({
  type: z.literal("signedBy"),
  keyType: z.literal(["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"]),
});

const requirement = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("insecureAcceptAnything") }),
  z.strictObject({ type: z.literal("reject") }),
  signedBy,
  sigstoreSigned,
]);

const requirements = z.array(requirement).min(1).max(100);

/** containers-policy.json(5). */
export const containersPolicy = z.strictObject({
  default: requirements,
  transports: z.record(z.string().max(100), z.record(z.string().max(4096), requirements)).optional(),
});

export type ContainersPolicy = z.output<typeof containersPolicy>;
export type Requirement = z.output<typeof requirement>;
export type SigstoreSigned = z.output<typeof sigstoreSigned>;
