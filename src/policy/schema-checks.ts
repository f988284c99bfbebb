import * as z from "zod";
import { parseMirrorPlace } from "../oci/mirrors.ts";
import { digest, duration, filled, parsable } from "./schema-parts.ts";

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

const place = z.string().min(1, filled).max(512).superRefine(parsable(parseMirrorPlace));

const mirror = z
  .strictObject({
    from: place.describe("HOST, or HOST/PREFIX: what images are called."),
    to: place.describe("HOST, or HOST/PREFIX: where they may be fetched instead."),
  })
  .meta({
    id: "Mirror",
    description: "Where evidence and manifests may be fetched. Policies speak of the original name.",
  });

/** Fields of `spec` about what counts beside who signed. */
export const checks = {
  freshness: freshness.optional(),
  revokedSignatures: z
    .array(digest)
    .min(1)
    .max(100_000)
    .optional()
    .describe("Signatures that never count, by the digest that verdicts name as evidence."),
  signedIdentity: z
    .enum(["any", "repository", "exact"])
    .default("any")
    .describe("Whether the name inside the signature matters: not at all, its repository, or also its tag."),
  platforms: z
    .enum(["index", "each", "index-or-each"])
    .default("index")
    .describe("Of an index, what must be signed: the index itself, every platform, or either."),
  mirrors: z
    .array(mirror)
    .min(1)
    .max(100)
    .optional()
    .describe("Tried in order, those of the longest `from` only, then the original. Not in a TrustPolicy."),
} as const;
