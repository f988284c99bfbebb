/** What kind of problem it is; decides exit code, metric label, cacheability and HTTP status. */
export type ErrorCategory = "usage" | "config" | "untrusted" | "unavailable" | "internal";

interface ErrorEntry {
  readonly category: ErrorCategory;
  /** The next step: how to become trusted or what to look at, never how to loosen a check. */
  readonly hint: string;
}

/** Every error code there is, with its category and the next step for the person who meets it. */
export const errorCodes = {
  USAGE: { category: "usage", hint: "See what the command takes with: trust help COMMAND" },
  REFERENCE_INVALID: {
    category: "usage",
    hint: "Write an image as [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST], in lower case",
  },
  DIGEST_INVALID: {
    category: "usage",
    hint: "Write a digest as sha256: and 64, or sha512: and 128, lower-case hex digits",
  },

  FILE_NOT_FOUND: {
    category: "config",
    hint: "Check the path; relative paths start at the folder the command was run in",
  },
  FILE_UNREADABLE: { category: "config", hint: "Check the permissions of the file and of its folder" },
  FILE_UNWRITABLE: { category: "config", hint: "Check the permissions of the folder and the space left on the disk" },
  FILE_EXISTS: { category: "config", hint: "Choose another name, or move the present file away first" },
  CONFIG_INVALID: { category: "config", hint: "Correct the setting named in the message" },
  KEY_NOT_FOUND: { category: "config", hint: "Make a key pair with: trust key generate" },
  KEY_INVALID: {
    category: "config",
    hint: "Give a PEM key made by trust, cosign, skopeo or openssl; look at it with: trust key public",
  },
  KEY_UNSUPPORTED: {
    category: "config",
    hint: "Use ECDSA P-256, P-384 or P-521, Ed25519, or RSA of 2048 bits and more",
  },
  KEY_PASSWORD_REQUIRED: {
    category: "config",
    hint: "Set TRUST_PASSWORD or COSIGN_PASSWORD, give --password-file, or run on a terminal",
  },
  KEY_PASSWORD_WRONG: {
    category: "config",
    hint: "Check TRUST_PASSWORD, COSIGN_PASSWORD or the password file and try again",
  },
  CERTIFICATE_UNUSABLE: {
    category: "config",
    hint: "Give the certificate of the key with --cert, and those of its issuers up to the root with --cert-chain",
  },
  IDENTITY_TOKEN_NOT_FOUND: {
    category: "config",
    hint: "Let the CI job ask for an identity token, give one with --identity-token FILE, or sign with --key KEY",
  },
  IDENTITY_TOKEN_INVALID: {
    category: "config",
    hint: "Have a new identity token issued, with the audience sigstore, and use it within its minutes",
  },
  SIGNING_SERVICE_REFUSED: {
    category: "config",
    hint: "The service refused the request for the reason it gives; correct that and try again",
  },
  CREDENTIALS_INVALID: {
    category: "config",
    hint: "Check the registry credentials file, or sign in again with: trust login HOST",
  },
  AUTHENTICATION_REQUIRED: { category: "config", hint: "Sign in with: trust login HOST" },
  AUTHORIZATION_DENIED: {
    category: "config",
    hint: "Ask the owner of the repository for the right named in the message",
  },
  INSECURE_TRANSPORT_REFUSED: {
    category: "config",
    hint: "Serve the registry over HTTPS and give its certificate authority with --ca-file",
  },
  REGISTRY_NOT_ALLOWED: {
    category: "config",
    hint: "Name the registry in allowRegistry (flag --allow-registry) if images may come from there",
  },
  TLS_FAILED: { category: "config", hint: "Give the certificate authority of the server with --ca-file FILE" },
  CLUSTER_CONFIG_INVALID: {
    category: "config",
    hint: "Name the cluster with --kubeconfig FILE and --context NAME; see which there are with: kubectl config get-contexts",
  },
  CLUSTER_ACCESS_DENIED: {
    category: "config",
    hint: "Grant the user or service account the right named in the message; check with: kubectl auth can-i VERB RESOURCE",
  },
  SECRET_UNUSABLE: {
    category: "config",
    hint: "Store the public key in the Secret and under the key that the policy names; a private key is not needed",
  },
  POLICY_NOT_FOUND: { category: "config", hint: "Give a policy file, or a folder with .yaml, .yml or .json policies" },
  EVIDENCE_NOT_RECORDED: {
    category: "config",
    hint: "Record it with: trust policy record IMAGE --file FILE, and name the file in evidence",
  },
  POLICY_INVALID: {
    category: "config",
    hint: "Correct the file at the place named; docs/policy.md shows every field",
  },
  POLICY_UNUSABLE: {
    category: "config",
    hint: "Correct the policy, or what it refers to; its status says what is wrong: kubectl describe KIND NAME",
  },
  POLICY_NOT_EVALUABLE: {
    category: "config",
    hint: "Write the rule in a form that can be judged here; docs/foreign-policies.md names them",
  },
  PREDICATE_INVALID: {
    category: "config",
    hint: "Correct the document at the path named, or attest it under the type that it is of",
  },
  TRUST_ROOT_NOT_FOUND: {
    category: "config",
    hint: "See the roots there are with: trust root list; add one with: trust root add NAME --file FILE",
  },
  TRUST_ROOT_INVALID: {
    category: "config",
    hint: "Give a trusted_root.json of media type application/vnd.dev.sigstore.trustedroot, version 0.1 or 0.2",
  },
  TRUST_ROOT_REFUSED: {
    category: "untrusted",
    hint: "The mirror serves what TUF does not allow; the root in use stays as it was. Tell the operators of the mirror",
  },
  SIGNING_CONFIG_INVALID: {
    category: "config",
    hint: "Give a signing configuration v0.2 that names the services to sign with, valid now",
  },
  REFERRERS_TAG_CONFLICT: {
    category: "config",
    hint: "The tag is reserved for the list of signatures. Move what it holds to another tag, then sign again",
  },
  REGISTRY_REFUSED: {
    category: "config",
    hint: "The registry refused the request for the reason it gives; correct that and try again",
  },

  IMAGE_NOT_FOUND: {
    category: "untrusted",
    hint: "Check the name and the tag; list the tags with: trust audit registry HOST/REPOSITORY",
  },
  PLATFORM_NOT_FOUND: {
    category: "untrusted",
    hint: "Name one of the platforms that the image has, or push the image for that platform",
  },
  PLATFORM_NOT_TRUSTED: {
    category: "untrusted",
    hint: "Sign the index and everything below it: trust sign --key KEY --recursive IMAGE",
  },
  DIGEST_MISMATCH: {
    category: "untrusted",
    hint: "The tag points at another image than expected. Find out who moved it",
  },
  CONTENT_MISMATCH: {
    category: "untrusted",
    hint: "The registry, or something before it, served other bytes than were named. Tell its operators",
  },
  CONTENT_TOO_LARGE: { category: "untrusted", hint: "The content is beyond the limit; look at who pushed it" },
  MANIFEST_INVALID: {
    category: "untrusted",
    hint: "The manifest does not follow the OCI image specification; push the image again",
  },
  NO_SIGNATURE: { category: "untrusted", hint: "Sign the digest where it is built with: trust sign --key KEY IMAGE" },
  SIGNATURE_INVALID: {
    category: "untrusted",
    hint: "The signature does not match its content; sign the image again with: trust sign --key KEY IMAGE",
  },
  SIGNATURE_MALFORMED: {
    category: "untrusted",
    hint: "The artifact is not a readable signature; sign the image again with: trust sign --key KEY IMAGE",
  },
  SIGNATURE_MISSING: {
    category: "untrusted",
    hint: "A signature is listed but its content is gone; sign the image again with: trust sign --key KEY IMAGE",
  },
  CERTIFICATE_INVALID: {
    category: "untrusted",
    hint: "The certificate breaks a rule of RFC 5280 or may not sign code; have it issued anew, then sign again",
  },
  CERTIFICATE_UNTRUSTED: {
    category: "untrusted",
    hint: "Sign with a certificate of an authority that the policy names, and put its intermediates beside it",
  },
  CERTIFICATE_EXPIRED: {
    category: "untrusted",
    hint: "Sign again while the certificate is valid; a timestamp makes the signature outlive it",
  },
  TIMESTAMP_INVALID: {
    category: "untrusted",
    hint: "The timestamp does not fit the signature or its authority; sign again with a timestamp authority of the trust root",
  },
  SCT_INVALID: {
    category: "untrusted",
    hint: "Sign again with a certificate that a certificate transparency log of the trust root has recorded",
  },
  LOG_ENTRY_INVALID: {
    category: "untrusted",
    hint: "The log did not sign this entry, or not at that time; sign again with a transparency log of the trust root",
  },
  LOG_PROOF_INVALID: {
    category: "untrusted",
    hint: "The entry is not proved to be in the log; sign again with a transparency log of the trust root",
  },
  LOG_ENTRY_MISMATCH: {
    category: "untrusted",
    hint: "The log entry is about another signature. Find out where it comes from, and sign the image again",
  },
  EVIDENCE_MISSING: {
    category: "untrusted",
    hint: "Sign again with the transparency log or the timestamp authority that the trust root asks for",
  },
  SIGNER_NOT_TRUSTED: {
    category: "untrusted",
    hint: "Have the image signed by one of the authorities that the policy names; see who signed it with: trust tree IMAGE",
  },
  SUBJECT_MISMATCH: {
    category: "untrusted",
    hint: "The signature covers another image. Sign this digest with: trust sign --key KEY IMAGE@DIGEST",
  },
  NOT_A_SIGNATURE: {
    category: "untrusted",
    hint: "An attestation is not a signature of the image. Sign it with: trust sign --key KEY IMAGE",
  },
  NO_ATTESTATION: {
    category: "untrusted",
    hint: "Attest the digest where it is built with: trust attest --key KEY --type TYPE --predicate FILE IMAGE",
  },
  ATTESTATION_TOO_OLD: {
    category: "untrusted",
    hint: "Attest the digest anew with: trust attest --key KEY --type TYPE --predicate FILE IMAGE",
  },
  CONDITION_NOT_MET: {
    category: "untrusted",
    hint: "Compare the condition with what was attested: trust attestation get --type TYPE IMAGE",
  },
  CONDITION_ERROR: {
    category: "untrusted",
    hint: "The facts lack what the condition speaks of; ask for it with has(…), or have it attested",
  },
  CONDITION_NOT_EVALUABLE: {
    category: "untrusted",
    hint: "Ask where what the condition speaks of is known: in admission, or with: trust policy test",
  },
  PREDICATE_TYPE_MISMATCH: {
    category: "untrusted",
    hint: "The attestation is of another type; ask for that type, or attest with: trust attest --type TYPE",
  },
  ANNOTATION_MISMATCH: {
    category: "untrusted",
    hint: "Sign the image with the annotations asked for: trust sign -a KEY=VALUE",
  },
  SIGNATURE_REVOKED: {
    category: "untrusted",
    hint: "Ask the owner of the policy why; an image that is good is signed anew with: trust sign --key KEY IMAGE",
  },
  KEY_REVOKED: {
    category: "untrusted",
    hint: "Look at the image anew, and sign it with a key that is trusted: trust sign --key KEY IMAGE",
  },
  KEY_NOT_VALID: {
    category: "untrusted",
    hint: "Sign the image with the key that is in use now: trust sign --key KEY IMAGE",
  },
  SIGNATURE_EXPIRED: {
    category: "untrusted",
    hint: "Sign again what is still good: trust refresh --key KEY IMAGE",
  },
  SIGNATURE_NOT_YET_VALID: {
    category: "untrusted",
    hint: "Set the clocks of the signer and of this machine right, then sign again",
  },
  SIGNATURE_TOO_OLD: {
    category: "untrusted",
    hint: "Build and sign the image anew, or sign again what is still good: trust refresh --key KEY IMAGE",
  },
  TAG_NOT_BOUND: {
    category: "untrusted",
    hint: "Sign the image by the name it is used under: trust sign --key KEY --bind-tag REPOSITORY:TAG",
  },
  IDENTITY_MISMATCH: {
    category: "untrusted",
    hint: "Sign the image by the name it is used under: trust sign --key KEY --bind-tag REPOSITORY:TAG",
  },
  ROLLBACK: {
    category: "untrusted",
    hint: "Find out who moved the tag back. If the older image is wanted, sign it again: trust sign --bind-tag",
  },
  THRESHOLD_NOT_MET: {
    category: "untrusted",
    hint: "Have the image signed by more of the authorities that the policy names",
  },
  EVIDENCE_INCOMPLETE: {
    category: "untrusted",
    hint: "There is more than the limits allow to read; remove what does not belong there",
  },
  AUTHORITY_UNSUPPORTED: {
    category: "untrusted",
    hint: "This build cannot prove that kind of authority; use one with a key",
  },
  STATIC_FAIL: { category: "untrusted", hint: "The policy refuses this image outright; ask the owner of the policy" },
  EXCEPTION_EXPIRED: {
    category: "untrusted",
    hint: "Have the image satisfy the policy; whoever approved the exception can approve a new one",
  },
  NO_POLICY: { category: "untrusted", hint: "Write a policy whose images match this name" },
  IMAGE_UNPINNED: {
    category: "untrusted",
    hint: "Name the image by digest (REPOSITORY@sha256:…), or let the mutating webhook pin it",
  },
  OBJECT_UNSUPPORTED: {
    category: "untrusted",
    hint: "Send the webhook only kinds with a Pod template; see the README for the list",
  },
  REVIEW_INVALID: { category: "untrusted", hint: "Send an admission.k8s.io/v1 AdmissionReview with a request" },

  REGISTRY_UNREACHABLE: { category: "unavailable", hint: "Check the network path to the registry, then try again" },
  REGISTRY_ERROR: { category: "unavailable", hint: "The registry is failing or limiting requests; wait and try again" },
  CLUSTER_UNREACHABLE: {
    category: "unavailable",
    hint: "Check the network path to the API server, and try: kubectl get --raw /readyz",
  },
  CLUSTER_ANSWER_INVALID: {
    category: "unavailable",
    hint: "Something between here and the API server answers in its place; check the server that the kubeconfig names",
  },
  CLUSTER_VERSION_GONE: {
    category: "unavailable",
    hint: "The API server forgot what changed since then; everything is listed again",
  },
  SIGNING_SERVICE_UNAVAILABLE: {
    category: "unavailable",
    hint: "The service is down or cannot be reached; nothing was written. Try again later",
  },
  TRUST_ROOT_UNREACHABLE: {
    category: "unavailable",
    hint: "Check the network path to the mirror, or give one that is at hand: --mirror file:///FOLDER",
  },
  ROOT_STALE: {
    category: "unavailable",
    hint: "Renew the trust root with: trust root update; without a network, from a newer copy of its mirror",
  },
  UPDATE_CONFLICT: {
    category: "unavailable",
    hint: "Others keep changing the same list of signatures; run the command again",
  },
  SERVER_BUSY: {
    category: "unavailable",
    hint: "The server holds as much as it may; try again in a moment, or give it more replicas",
  },
  DEADLINE_EXCEEDED: {
    category: "unavailable",
    hint: "The answer was not known in time; try again, it may be cached by now",
  },

  INTERNAL: { category: "internal", hint: "This is a bug; report it with the command and the version" },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCodes;

/** Details of a {@link TrustError}: what was expected, what was found, a hint better than the table's, and the cause. */
export interface TrustErrorDetails {
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The one error of the program. `code` says what happened, `category` what follows from it, `hint` the next step. */
export class TrustError extends Error {
  override readonly name = "TrustError";
  readonly code: ErrorCode;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, details: TrustErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.expected = details.expected;
    this.found = details.found;
    this.hint = details.hint ?? errorCodes[code].hint;
  }

  get category(): ErrorCategory {
    return errorCodes[this.code].category;
  }
}

/** One reason in a Verdict or in the output of a command; plain JSON. */
export interface Finding {
  readonly code: ErrorCode;
  readonly category: ErrorCategory;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly hint: string;
  readonly authority?: string;
  /** Digest of the artifact that the finding is about. */
  readonly evidence?: string;
}

/**
 * The one place where an error becomes a finding. An error that is not a {@link TrustError} is a bug and is told as
 * `INTERNAL` without its text, which may hold anything.
 */
export function toFinding(
  error: unknown,
  about: { authority?: string | undefined; evidence?: string | undefined } = {},
): Finding {
  const trustError = asTrustError(error);
  return {
    code: trustError.code,
    category: trustError.category,
    message: trustError.message,
    ...(trustError.expected === undefined ? {} : { expected: trustError.expected }),
    ...(trustError.found === undefined ? {} : { found: trustError.found }),
    hint: trustError.hint,
    ...(about.authority === undefined ? {} : { authority: about.authority }),
    ...(about.evidence === undefined ? {} : { evidence: about.evidence }),
  };
}

/** The error itself if it is ours, else an `INTERNAL` one that keeps it as its cause. */
export function asTrustError(error: unknown): TrustError {
  if (error instanceof TrustError) return error;
  return new TrustError("INTERNAL", "something went wrong that should not have", {
    found: placeOf(error),
    cause: error,
  });
}

/** Which kind of error was thrown where; never what it says, which may hold anything. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return `a thrown ${typeof error}`;
  const [line] = error.stack?.match(/(?<=^ {4}at ).*$/m) ?? [];
  const place = line?.replace(/\(?(?:file:\/\/)?\/[^()]*\/(?=[^/]+:\d+:\d+\)?$)/, "(");
  return place === undefined ? error.name : `${error.name} at ${place.slice(0, 120)}`;
}

/** Exit codes by category; of several results the gravest counts: 70, 2, 3, 1, 4 (then 0). */
export const exitCodes: Readonly<Record<ErrorCategory, number>> = {
  internal: 70,
  usage: 2,
  config: 3,
  untrusted: 1,
  unavailable: 4,
};

const gravity: readonly ErrorCategory[] = ["internal", "usage", "config", "untrusted", "unavailable"];

/** The exit code for a set of categories: the gravest of them, 0 for none. */
export function exitCodeOf(categories: Iterable<ErrorCategory>): number {
  const seen = new Set(categories);
  const gravest = gravity.find((category) => seen.has(category));
  return gravest === undefined ? 0 : exitCodes[gravest];
}
