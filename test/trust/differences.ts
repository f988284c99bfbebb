/** Where our verdict differs from @sigstore/verify's, and which rule we follow. */
export interface Difference {
  /** Of the changes and forgeries it is about. */
  readonly names: RegExp;
  readonly ours: "accepts" | "refuses";
  readonly clause: string;
}

const entry = String.raw`verificationMaterial\.tlogEntries\.0`;
const number = "(logIndex|integratedTime|treeSize)";
const names = (...parts: readonly string[]) => new RegExp(`^(?:${parts.join("|")})$`);

export const differences: readonly Difference[] = [
  {
    names: /: twice$/,
    ours: "refuses",
    clause: "ProtoJSON: a member twice is an error; two readers must not see two bundles (RFC 8259 §4)",
  },
  {
    names: /: (in URL alphabet|with a line break|with rubbish (behind|inside))$/,
    ours: "refuses",
    clause: "RFC 4648 §3.1, §3.3, §4: one way to write bytes, and nothing between them",
  },
  {
    names: names(`${entry}\\.(inclusionProof\\.)?${number}: (with leading zeros|with spaces|in hex|with exponent)`),
    ours: "refuses",
    clause: "ProtoJSON: int64 is a decimal string; one way to write a number",
  },
  {
    names: names(`${entry}\\.(inclusionProof\\.)?${number}: (negative|one less|2\\^64 more|with a fraction)`),
    ours: "refuses",
    clause: "sigstore_rekor.proto: int64, never negative",
  },
  {
    names: names(
      String.raw`verificationMaterial\.(timestampVerificationData|publicKey): (a list of it|text)`,
      String.raw`verificationMaterial\.timestampVerificationData\.rfc3161Timestamps: not a list`,
      String.raw`messageSignature\.messageDigest\.algorithm: null`,
    ),
    ours: "refuses",
    clause: "ProtoJSON: a message is an object, a repeated field is a list",
  },
  {
    names: names("mediaType: longer( by a line)?"),
    ours: "refuses",
    clause: "sigstore_bundle.proto, media_type: one of the listed ones, whole",
  },
  {
    names: names(`${entry}\\.inclusionProof\\.(rootHash|treeSize): .*`),
    ours: "refuses",
    clause:
      "sigstore_rekor.proto, InclusionProof: root hash and tree size are those of the tree head that the checkpoint signs",
  },
  {
    names: names(
      `${entry}\\.logIndex: (dropped|null|of another bundle|one more|one less|a year later|zero|2\\^32 more)`,
    ),
    ours: "refuses",
    clause: "Rekor v2 has one tree: the index of the entry is that of its proof",
  },
  {
    names: names(`${entry}\\.integratedTime: (one more|a year later|2\\^32 more)`),
    ours: "refuses",
    clause:
      "client specification 4.2.2, 4.3: the path holds at the time the log states, too, whether or not it is signed",
  },
  {
    names: names(`${entry}\\.inclusionProof\\.checkpoint\\.envelope: longer( by a line)?`),
    ours: "refuses",
    clause: "C2SP signed-note: nothing stands behind the signature lines",
  },
  {
    names: names(
      String.raw`verificationMaterial\.(certificate|x509CertificateChain)(\.certificates(\.0)?)?(\.rawBytes)?: of another bundle`,
      "(intoto )?body with another( envelope)? key",
      "v2 body with another certificate",
    ),
    ours: "refuses",
    clause: "client specification 4.4: the entry's verifier is the bundle's certificate or key",
  },
  {
    names: names(
      String.raw`verificationMaterial\.(certificate|x509CertificateChain\.certificates\.0)\.rawBytes: first bit changed`,
      String.raw`verificationMaterial\.timestampVerificationData\.rfc3161Timestamps\.0\.signedTimestamp: first bit changed`,
    ),
    ours: "refuses",
    clause: "X.690: a SEQUENCE is not a SET",
  },
  {
    names: names(String.raw`messageSignature\.messageDigest: (dropped|empty)`),
    ours: "accepts",
    clause: "sigstore_common.proto, message_digest: for finding, never for verification; cosign 3 leaves it out",
  },
  {
    names: names("the same SCT twice", "a good SCT beside one of an unknown log"),
    ours: "accepts",
    clause: "RFC 6962 §3.3, §5.2: lists hold SCTs of logs that a client does not know; distinct known logs count",
  },
  {
    names: names("certificate without extended key usage", "certificate for (servers|timestamps)"),
    ours: "refuses",
    clause:
      "Fulcio certificate specification, issued certificate: extended key usage is code signing, and nothing else",
  },
  {
    names: names("certificate without a name"),
    ours: "refuses",
    clause: "RFC 5280 §4.2.1.6: the alternative name has at least one name, and without a subject it is all there is",
  },
  {
    names: names("by a certificate of the trusted key"),
    ours: "refuses",
    clause:
      "no clause (client specification 3.1 leaves keys out): who trusts a key is shown a signature by a key, as with cosign 3",
  },
  {
    names: names("certificate that is an authority", "certificate with an unknown critical extension"),
    ours: "refuses",
    clause:
      "RFC 5280 §4.2: unknown critical extensions; Fulcio certificate specification, issued certificate: no authority",
  },
  {
    names: names("v1, proof only, after the log was retired", "v2 (after the log was retired|before the log began)"),
    ours: "refuses",
    clause: "sigstore_common.proto, PublicKey.valid_for: a log's key counts within its window only",
  },
  {
    names: names("log without a beginning in the root"),
    ours: "refuses",
    clause: "sigstore_common.proto, TimeRange: only the end is optional",
  },
  {
    names: names("body with another hash function"),
    ours: "refuses",
    clause: "Rekor hashedrekord 0.0.1: the length of the value is that of the hash function",
  },
  {
    names: names("v[12] checkpoint of another origin"),
    ours: "refuses",
    clause: "C2SP tlog-checkpoint: the origin is the identity of the log",
  },
  {
    names: names("an entry of an unknown log beside a good one", "stamp by an unknown authority, beside a log"),
    ours: "accepts",
    clause:
      "client specification 4: which services to trust is the verifier's policy; others count as absent, not as wrong",
  },
  {
    names: names("stamp of another version"),
    ours: "refuses",
    clause: "RFC 3161 §2.4.2: the version of TSTInfo is 1",
  },
  {
    names: names("stamp with parts of a second"),
    ours: "accepts",
    clause: "RFC 3161 §2.4.2: genTime may have fractions of a second",
  },
  {
    names: names("stamp by a key that came along, where the root names its issuer only"),
    ours: "accepts",
    clause:
      "sigstore_trustroot.proto, timestamp_authorities: the chain may begin at the issuer, the token brings the rest",
  },
  {
    names: names("valid: dsse .* p(384|521) .*"),
    ours: "accepts",
    clause: "algorithm registry: P-384 signs SHA-384, P-521 signs SHA-512, in envelopes too",
  },
  {
    names: names("valid: dsse .* ed25519 .* hashedrekord .*", "valid: message .* ed25519 .*"),
    ours: "accepts",
    clause: "algorithm registry: Ed25519 signs the message itself; entries of it are over SHA-512",
  },
];
