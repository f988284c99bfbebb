import { readCondition } from "./condition-rules.ts";
import type { SourceDocument } from "./document.ts";
import { nonEmpty } from "./non-empty.ts";
import type { AttestationRequirement, NonEmpty } from "./policy.ts";
import { type Problem, suggestion } from "./problem.ts";
import type { AuthorityDocument, PolicyDocument } from "./schema.ts";
import { parseDuration } from "./settings.ts";

type Spec = PolicyDocument["spec"];
type AttestationDocument = NonNullable<Spec["attestations"]>[number];

/** Reads `spec.attestations`: compiles conditions, and holds it to the rules that span fields. */
export async function readAttestations(
  { attestations = [], authorities, threshold }: Spec,
  document: SourceDocument,
): Promise<{ readonly attestations?: NonEmpty<AttestationRequirement>; readonly problems: readonly Problem[] }> {
  if (attestations.length === 0) {
    if (threshold > 0) return { problems: [] };
    const what = "spec.threshold is 0, so that nothing would have to be signed";
    return { problems: [{ place: document.placeOf(["spec", "threshold"]), what, expected: "attestations beside it" }] };
  }
  const read = await Promise.all(attestations.map((written, index) => readAttestation(written, index, document)));
  const problems = [
    ...read.flatMap(({ problem }) => problem ?? []),
    ...attestations.flatMap((written, index) => authorityProblems(written, index, authorities, document)),
  ];
  if (authorities.every((authority) => authority.static !== undefined))
    problems.push({
      place: document.placeOfKey(["spec", "attestations"]),
      what: "spec.attestations without anybody who could attest",
      expected: "an authority that signs",
    });
  if (problems.length > 0) return { problems };
  return { attestations: nonEmpty(read.flatMap(({ requirement }) => requirement ?? [])), problems: [] };
}

async function readAttestation(
  { name, predicateType, authorities, maxAge, select, condition: expression }: AttestationDocument,
  index: number,
  document: SourceDocument,
): Promise<{ readonly requirement?: AttestationRequirement; readonly problem?: Problem }> {
  const path = ["spec", "attestations", index, "condition"];
  const { condition, problem } = await readCondition(expression, "attestation", { document, path });
  if (problem !== undefined) return { problem };
  return {
    requirement: {
      name,
      predicateType,
      select,
      ...(authorities === undefined ? {} : { authorities: nonEmpty(authorities) }),
      ...(maxAge === undefined ? {} : { maxAge: parseDuration(maxAge) }),
      ...(condition === undefined ? {} : { condition }),
    },
  };
}

/** Whom a requirement names must be there, and able to sign. */
function authorityProblems(
  { authorities = [] }: AttestationDocument,
  index: number,
  known: readonly AuthorityDocument[],
  document: SourceDocument,
): readonly Problem[] {
  const signing = known.filter((authority) => authority.static === undefined).map(({ name }) => name);
  return authorities.flatMap((name, at) => {
    if (signing.includes(name)) return [];
    const place = document.placeOf(["spec", "attestations", index, "authorities", at]);
    const what = `spec.attestations[${index}].authorities[${at}] names no authority that signs${suggestion(name, signing)}`;
    return [{ place, what, expected: signing.slice(0, 10).join(" or "), found: JSON.stringify(name) }];
  });
}
