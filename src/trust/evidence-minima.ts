import { TrustError } from "../errors.ts";
import type { EvidenceMinima, TrustRoot } from "./trust-root.ts";

const names: Readonly<Record<keyof EvidenceMinima, string>> = {
  log: "entries of distinct transparency logs",
  timestamp: "timestamps of distinct authorities",
  logOrTimestamp: "entries and timestamps of distinct logs and authorities",
  sct: "SCTs of distinct certificate logs",
};
const one: Readonly<Record<keyof EvidenceMinima, string>> = {
  log: "an entry of a transparency log",
  timestamp: "a timestamp",
  logOrTimestamp: "an entry of a transparency log, or a timestamp",
  sct: "an SCT of a certificate log",
};
const kinds = Object.keys(names) as readonly (keyof EvidenceMinima)[];

/** How many distinct operators there are: two logs of one operator are one witness. */
export function countDistinct(witnesses: readonly { readonly operator: string }[]): number {
  return new Set(witnesses.map(({ operator }) => operator)).size;
}

/** Minima that concern a signer: without a certificate there is nothing an SCT could speak of. */
function kindsFor(isCertified: boolean): readonly (keyof EvidenceMinima)[] {
  return kinds.filter((kind) => kind !== "sct" || isCertified);
}

/** Throws `EVIDENCE_MISSING` unless every minimum is reached. */
export function checkMinima(
  counts: EvidenceMinima,
  require: EvidenceMinima,
  { name }: Pick<TrustRoot, "name">,
  isCertified: boolean,
): void {
  // Written so that a minimum that is not a number is not reached.
  const missing = kindsFor(isCertified).find((kind) => !(counts[kind] >= require[kind]));
  if (missing === undefined) return;
  throw new TrustError("EVIDENCE_MISSING", `the signature has less evidence than the trust root ${name} asks for`, {
    expected: require[missing] === 1 ? one[missing] : `at least ${require[missing]} ${names[missing]}`,
    found: counts[missing] === 0 ? "none that is verified" : `${counts[missing]} that are verified`,
  });
}

/**
 * Which minima are lower than the root's, or were set lower than its deployment allows for when the root was opened, as
 * sentences for the Verdict.
 */
export function relaxations(
  require: EvidenceMinima,
  root: Pick<TrustRoot, "name" | "require" | "relaxed">,
  isCertified: boolean,
): readonly string[] {
  return kindsFor(isCertified)
    .filter((kind) => require[kind] < root.require[kind] || root.relaxed.includes(kind))
    .map((kind) => `the trust root ${root.name} is used with a lower minimum of ${names[kind]}: ${require[kind]}`);
}
