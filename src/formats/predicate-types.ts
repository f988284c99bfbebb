import { TrustError } from "../errors.ts";

/** How a predicate is written into the statement, as cosign does it. */
export type PredicateForm =
  /** The file's JSON, as it stands. */
  | "json"
  /** The file's text as one JSON string. */
  | "text"
  /** `{"Data": text of the file, "Timestamp": …}`. */
  | "custom";

export interface PredicateKind {
  readonly uri: string;
  readonly form: PredicateForm;
  /** The schema that the file is held against; none for what only its author knows. */
  readonly schema?: "slsa02" | "slsa1" | "link" | "spdx" | "cyclonedx" | "vuln" | "openvex";
}

const spdx = "https://spdx.dev/Document";
const slsa02 = { uri: "https://slsa.dev/provenance/v0.2", form: "json", schema: "slsa02" } as const;

/** The short names of cosign. */
export const predicateKinds = {
  slsaprovenance: slsa02,
  slsaprovenance02: slsa02,
  slsaprovenance1: { uri: "https://slsa.dev/provenance/v1", form: "json", schema: "slsa1" },
  link: { uri: "https://in-toto.io/Link/v1", form: "json", schema: "link" },
  spdx: { uri: spdx, form: "text" },
  spdxjson: { uri: spdx, form: "json", schema: "spdx" },
  cyclonedx: { uri: "https://cyclonedx.org/bom", form: "json", schema: "cyclonedx" },
  vuln: { uri: "https://cosign.sigstore.dev/attestation/vuln/v1", form: "json", schema: "vuln" },
  openvex: { uri: "https://openvex.dev/ns", form: "json", schema: "openvex" },
  custom: { uri: "https://cosign.sigstore.dev/attestation/v1", form: "custom" },
} as const satisfies Readonly<Record<string, PredicateKind>>;

const uri = /^[a-z][a-z0-9+.-]*:(?:\/\/)?[^\s/]\S{0,1000}$/i;

/**
 * What a `--type` stands for: a short name, or any URI; the URI of a known type is held against the type's schema, too.
 * Throws `USAGE`.
 */
export function predicateKindOf(type: string): PredicateKind {
  if (Object.hasOwn(predicateKinds, type)) return predicateKinds[type as keyof typeof predicateKinds];
  if (uri.test(type)) {
    const known = Object.values(predicateKinds).find((kind) => kind.uri === type && kind.form === "json");
    return known ?? { uri: type, form: "json" };
  }
  throw new TrustError("USAGE", `${JSON.stringify(type.slice(0, 200))} is no type of predicate`, {
    expected: `${Object.keys(predicateKinds).join(", ")}, or a URI`,
  });
}
