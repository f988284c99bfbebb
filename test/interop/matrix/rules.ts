import {
  type Artifact,
  type Cell,
  isBundle,
  isSeparate,
  type Kind,
  keyNames,
  kinds,
  type Shape,
  shapeNames,
  type Tool,
  tools,
} from "./cells.ts";

/** Why a reader refuses what another tool wrote, as the reader's own project explains it. */
export interface Rule {
  /** A few words for the table's legend. */
  readonly reason: string;
  /** Whether the reader's manual says so, or a report to its project, which means that it may change. */
  readonly standing: "documented" | "reported";
  /** Where. */
  readonly sources: readonly string[];
  /** What the reader then writes: a refusal for any other reason is no pass. */
  readonly says: RegExp;
  readonly applies: (cell: Cell) => boolean;
}

const cosignIssue = (number: number) => `https://github.com/sigstore/cosign/issues/${number}`;
const policyManual = "https://github.com/containers/image/blob/v5.34.2/docs/containers-policy.json.5.md";
const registriesManual = "https://github.com/containers/image/blob/v5.34.2/docs/containers-registries.d.5.md";
const verifyManual = "https://github.com/sigstore/cosign/blob/v2.5.0/doc/cosign_verify.md";

/** Whether cosign 3 signed with something else than SHA-256. */
const ownHash = ({ writer, key }: Artifact) => writer === "cosign 3.1" && (key === "P-384" || key === "P-521");
const prehashed = ({ writer, key }: Artifact) => writer === "cosign 3.1" && key === "Ed25519";
const notVerified =
  /no matching (?:signatures|attestations)|no signatures found|cryptographic signature verification failed/;

/** Every expected refusal; the first rule that applies counts. A cell without one must be accepted. */
export const rules: Readonly<Record<string, Rule>> = {
  "skopeo-attestation": {
    reason: "containers/image has no requirement about attestations; it looks for signatures only",
    standing: "documented",
    sources: [policyManual],
    says: /A signature was required, but no signature exists/,
    applies: ({ reader, kind }) => reader === "skopeo" && kind === "attestation",
  },
  "skopeo-place": {
    reason:
      "containers/image reads sigstore signatures under the `.sig` tag of the image's own repository, nowhere else",
    standing: "documented",
    sources: [registriesManual],
    says: /A signature was required, but no signature exists/,
    applies: ({ reader, shape }) => reader === "skopeo" && shape !== "tag",
  },
  "cosign2-repository": {
    reason: "cosign 2 looks for bundles beside the image, whatever `COSIGN_REPOSITORY` says",
    standing: "reported",
    sources: [cosignIssue(4872), "https://github.com/sigstore/cosign/pull/4836"],
    says: /no valid bundles exist in registry/,
    applies: ({ reader, shape }) => reader === "cosign 2.5" && isSeparate(shape) && isBundle(shape),
  },
  "own-hash": {
    reason:
      "cosign 3 signs with SHA-384 and SHA-512 by these keys, and all three verify with SHA-256; cosign 3 accepts it with its hidden flag `--signature-digest-algorithm`, cosign 2 with the same flag of `verify`, which its `verify-attestation` does not have",
    standing: "reported",
    sources: [verifyManual, cosignIssue(5091), cosignIssue(5063), "https://github.com/sigstore/sigstore/issues/1478"],
    says: notVerified,
    applies: (cell) => ownHash(cell) && cell.reader !== "trust",
  },
  prehash: {
    reason: "cosign 3 signs with Ed25519ph by such a key, and all three verify plain Ed25519 with a public key",
    standing: "reported",
    sources: ["https://github.com/sigstore/cosign/pull/3479"],
    says: notVerified,
    applies: (cell) => prehashed(cell) && cell.reader !== "trust",
  },
};

/** The name of the rule by which the cell is refused; undefined where it must be accepted. */
export function refusalOf(cell: Cell): string | undefined {
  return Object.keys(rules).find((name) => rules[name]?.applies(cell));
}

/** Why a tool writes nothing of that kind in that shape; undefined where it does. */
export function notWritten(writer: Tool, kind: Kind, shape: Shape): string | undefined {
  if (writer === "skopeo" && (kind !== "signature" || shape !== "tag"))
    return "skopeo writes signatures under `.sig` tags beside the image, and nothing else";
  if (shape === "oci-1-1" && kind === "attestation")
    return "the experiment is about signatures: `attest` has no `--registry-referrers-mode`";
  if (shape === "oci-1-1" && writer === "trust") return "an experiment that is over; bundles on referrers replace it";
  if (writer === "cosign 2.5" && kind === "signature" && isBundle(shape))
    return "`sign` of cosign 2 writes no bundles; its `attest` does";
  if (writer === "cosign 2.5" && shape === "separate-bundle")
    return `cosign 2 writes bundles beside the image, whatever \`COSIGN_REPOSITORY\` says (${cosignIssue(4464)})`;
  return undefined;
}

/** Every artifact of the matrix, in the order of its tables. */
export const artifacts: readonly Artifact[] = kinds.flatMap((kind) =>
  shapeNames.flatMap((shape) =>
    tools
      .filter((writer) => notWritten(writer, kind, shape) === undefined)
      .flatMap((writer) => keyNames.map((key) => ({ shape, key, kind, writer }))),
  ),
);

/** What readers need to be told beyond key and image. */
export const remarks: readonly string[] = [
  "cosign 2.5 reads bundles with `verify-attestation --new-bundle-format --trusted-root FILE` only; a signature in a bundle is a statement of type `https://sigstore.dev/cosign/sign/v1` there.",
  "Both cosigns read `oci-1-1` with `COSIGN_EXPERIMENTAL=1` and `--experimental-oci11`, `trust` without being told.",
  "skopeo is asked under a policy with `signedIdentity: matchRepository`; a signature passes its default, which also asks for the tag, when it is made with `trust sign --identity REPOSITORY:TAG`.",
];
