import type { VerifiedSignature } from "../formats/format.ts";
import { formatReference, formatRepository, type ImageReference, parseReference } from "../oci/reference.ts";
import { bindingOf } from "./binding.ts";
import type { Objection } from "./facts.ts";
import type { TrustPolicy } from "./policy.ts";

/** A name inside a signature: `tag` and `digest` only where they are written. */
interface SignedName {
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

/**
 * Whether the name inside the signature is the one that is asked about, as far as the policy wants it: `repository` its
 * repository, `exact` also its tag (for a reference by digest alone, the repository of a name that is not a mere
 * repository), as containers/image understands `matchRepository` and `matchRepoDigestOrExact`. The name is the
 * docker-reference of a `.sig` payload, or the repository and tag that were bound; one of them is enough.
 */
export function identityObjection(
  { signedIdentity = "any" }: TrustPolicy,
  proof: VerifiedSignature,
  ref: ImageReference,
): Objection | undefined {
  if (signedIdentity === "any") return undefined;
  const names = namesIn(proof);
  if (names.some((name) => isNamed(name, signedIdentity, ref))) return undefined;
  return {
    code: "IDENTITY_MISMATCH",
    message: "the signature is for another name",
    expected: signedIdentity === "repository" ? formatRepository(ref) : formatReference(ref),
    found: names.length === 0 ? "no name" : names.map(formatName).join("; ").slice(0, 500),
  };
}

function isNamed(name: SignedName, wanted: "repository" | "exact", ref: ImageReference): boolean {
  if (name.repository !== formatRepository(ref)) return false;
  if (wanted === "repository") return true;
  if (ref.tag === undefined) return name.tag !== undefined || name.digest !== undefined;
  return name.tag === ref.tag;
}

function namesIn(proof: VerifiedSignature): readonly SignedName[] {
  const { repository, tag } = bindingOf(proof);
  const bound = repository === undefined ? [] : [{ repository, tag }];
  return [...parseName(proof.dockerReference ?? ""), ...bound];
}

/** Without Docker's defaults: a name without a tag is signed for every tag, not for `latest`. */
function parseName(text: string): readonly SignedName[] {
  try {
    const { registry, repository, tag, digest } = parseReference(text);
    const [last = ""] = text.slice(text.lastIndexOf("/") + 1).split("@");
    return [{ repository: `${registry}/${repository}`, tag: last.includes(":") ? tag : undefined, digest }];
  } catch {
    return [];
  }
}

function formatName({ repository, tag, digest }: SignedName): string {
  return `${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}
