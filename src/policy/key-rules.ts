import { parseDigest } from "../crypto/digest.ts";
import { timeOf } from "./binding.ts";
import type { SourceDocument } from "./document.ts";
import type { KeyLifetime } from "./policy.ts";
import type { Problem } from "./problem.ts";
import type { AuthorityDocument } from "./schema.ts";

type KeyDocument = NonNullable<AuthorityDocument["key"]>;

/** The time in which a key counts; nothing where the policy does not limit it. */
export function toKeyLifetime({ validFrom, validUntil, revoked, frozen }: KeyDocument): KeyLifetime | undefined {
  if (validFrom === undefined && validUntil === undefined && revoked === undefined) return undefined;
  return {
    ...(validFrom === undefined ? {} : { validFrom: timeOf(validFrom) }),
    ...(validUntil === undefined ? {} : { validUntil: timeOf(validUntil) }),
    ...(revoked === undefined ? {} : { revoked: { at: timeOf(revoked.at), reason: revoked.reason } }),
    ...(frozen === undefined ? {} : { frozen: frozen.map(parseDigest) }),
  };
}

/** Rules that span the fields of a key, or of a key and the policy of a namespace. */
export function keyProblems(
  authorities: readonly AuthorityDocument[],
  namespace: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  return authorities.flatMap(({ key }, index) => {
    if (key === undefined) return [];
    const path = ["spec", "authorities", index, "key"];
    const name = `spec.authorities[${index}].key`;
    const foreign = foreignSecret(key, namespace);
    if (foreign !== undefined) {
      const place = document.placeOf([...path, "secretRef", "namespace"]);
      const what = `${name}.secretRef.namespace is not the namespace of the policy`;
      return [{ place, what, expected: `${namespace}, or nothing`, found: foreign }];
    }
    const { validFrom, validUntil, revoked, frozen } = key;
    if (validFrom !== undefined && validUntil !== undefined && timeOf(validFrom) >= timeOf(validUntil)) {
      const place = document.placeOf([...path, "validUntil"]);
      const what = `${name}.validUntil is not after validFrom, so the key never counts`;
      return [{ place, what, expected: `a time after ${validFrom}`, found: validUntil }];
    }
    if (frozen === undefined || revoked !== undefined || validUntil !== undefined) return [];
    const place = document.placeOfKey([...path, "frozen"]);
    return [{ place, what: `${name}.frozen has no effect`, expected: "revoked or validUntil beside it" }];
  });
}

/** The namespace of a Secret that the policy of another namespace names: keys of others are not its to read. */
function foreignSecret({ secretRef }: KeyDocument, namespace: string | undefined): string | undefined {
  if (namespace === undefined || secretRef?.namespace === namespace) return undefined;
  return secretRef?.namespace;
}
