import { predicateKinds } from "../../formats/predicate-types.ts";
import type { Condition } from "../condition.ts";
import type { ImageAuthority } from "./schema.ts";

type Attestation = NonNullable<ImageAuthority["attestations"]>[number];

/** What the `policy` of an attestation comes to. */
export type AttestationRule =
  /** `isNever`: no statement of the type meets it, because it asks for another type. */
  | { readonly condition: Condition; readonly predicateType: string; readonly isNever: boolean }
  /** Why it is not judged here; `offset` is the place in its `data`. */
  | { readonly unread: string; readonly offset?: number };

/** The type of an attestation as statements name it; policy-controller knows short names too. */
export function predicateTypeOf({ predicateType }: Attestation): string {
  if (!Object.hasOwn(predicateKinds, predicateType)) return predicateType;
  return predicateKinds[predicateType as keyof typeof predicateKinds].uri;
}

/**
 * The rules of the attestations of an authority, in order; undefined where there is none. CUE that is written out becomes
 * a condition where it is a small part of that language. The engines are loaded for the first rule.
 */
export function readAttestationRules(
  attestations: readonly Attestation[] = [],
): Promise<readonly (AttestationRule | undefined)[]> {
  return Promise.all(attestations.map(readRule));
}

async function readRule(attestation: Attestation): Promise<AttestationRule | undefined> {
  const { policy } = attestation;
  if (policy === undefined) return undefined;
  const language = policy.type === "rego" ? "Rego" : "CUE";
  if (policy.configMapRef !== undefined) return { unread: `${language} in a ConfigMap` };
  if (policy.remote !== undefined) return { unread: `${language} that is fetched from a URL` };
  if (policy.type === "rego") return { unread: language };
  const [{ conditionOfCue }, { compileCondition, ConditionError }] = await Promise.all([
    import("./cue.ts"),
    import("../cel.ts"),
  ]);
  // A short name is one of a type that policy-controller has a structure for.
  const rule = conditionOfCue(policy.data ?? "", Object.hasOwn(predicateKinds, attestation.predicateType));
  if ("unread" in rule) {
    const { unread, line, column, offset } = rule;
    return { unread: `CUE with what is not converted: ${unread} (line ${line}, column ${column})`, offset };
  }
  try {
    const condition = compileCondition(rule.condition, "attestation");
    const ofType = rule.ofType === undefined ? undefined : compileCondition(rule.ofType, "attestation");
    const predicateType = predicateTypeOf(attestation);
    return { condition, predicateType, isNever: ofType?.test({ predicateType }).holds === false };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { unread: `CUE that is too much for a condition: ${error.message}` };
  }
}
