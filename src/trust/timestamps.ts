import type { HashName } from "../crypto/public-key.ts";
import {
  checkTokenSigner,
  isSignerOf,
  parseTimestampResponse,
  type TimestampToken,
} from "../crypto/timestamp-token.ts";
import type { Certificate } from "../crypto/x509.ts";
import { type CertificatePath, verifyPath } from "../crypto/x509-path.ts";
import { purposes } from "../crypto/x509-rules.ts";
import { TrustError } from "../errors.ts";
import { isWithin, type TimestampAuthority } from "./trust-root.ts";

/** A time that is proved, by whom. */
export interface VerifiedTime {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly source: "timestamp" | "log";
  /** Address of the authority or log, from the trust root. */
  readonly name: string;
  readonly operator: string;
}

/** What may be stamped: digests of it, by hash function. */
export type StampedDigests = readonly ((hash: HashName) => Promise<Buffer | undefined>)[];

/**
 * Verifies a timestamp (client specification 4.2.1): a token of one of the authorities, over one of the digests, at a time
 * when certificate and authority are to be believed. Undefined where no authority of the root made it, as if it were not
 * there; a token that names an authority of the root and is not right is an error. Throws `TIMESTAMP_INVALID` or
 * `CERTIFICATE_*`.
 */
export async function verifyTimestamp(
  response: Buffer,
  stamped: StampedDigests,
  authorities: readonly TimestampAuthority[],
): Promise<VerifiedTime | undefined> {
  const token = parseTimestampResponse(response);
  const failures: unknown[] = [];
  for (const authority of authorities) {
    try {
      if (await isBy(token, authority)) {
        await checkImprint(token, stamped);
        const { uri: name, operator } = authority;
        return { at: token.at, source: "timestamp", name, operator };
      }
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return undefined;
}

async function checkImprint({ imprint }: TimestampToken, stamped: StampedDigests): Promise<void> {
  const digests = await Promise.all(stamped.map((digestOf) => digestOf(imprint.hash)));
  if (digests.some((digest) => digest?.equals(imprint.digest) === true)) return;
  throw new TrustError("TIMESTAMP_INVALID", "the timestamp is of another signature", {
    expected: `${imprint.hash}:${digests[0]?.toString("hex") ?? ""}`,
    found: `${imprint.hash}:${imprint.digest.toString("hex", 0, 64)}`,
  });
}

/** False where the authority has nothing to do with the token; throws where it has, and something is wrong. */
async function isBy(token: TimestampToken, authority: TimestampAuthority): Promise<boolean> {
  const signer = authority.chain.find((one) => isSignerOf(token, one));
  const path = signer === undefined ? await embeddedPath(token, authority) : await ownPath(signer, token.at, authority);
  const [certificate] = path?.chain ?? [];
  if (certificate === undefined) return false;
  await checkTokenSigner(token, certificate);
  if (!isWithin(authority.window, token.at))
    throw new TrustError("TIMESTAMP_INVALID", `${authority.uri} was not to be believed at the time of the timestamp`, {
      expected: windowText(authority),
      found: timeText(token.at),
    });
  return true;
}

/** Proved paths of certificates that are part of the root: what is signed stays signed, and only times are looked at again. */
const ownPaths = new WeakMap<TimestampAuthority, Map<string, CertificatePath>>();

async function ownPath(signer: Certificate, at: number, authority: TimestampAuthority): Promise<CertificatePath> {
  const paths = ownPaths.get(authority) ?? new Map<string, CertificatePath>();
  ownPaths.set(authority, paths);
  const known = paths.get(signer.fingerprint);
  if (known !== undefined && at >= known.notBefore && at <= known.notAfter) return known;
  const path = await pathOf(signer, [], at, authority);
  paths.set(signer.fingerprint, path);
  return path;
}

/**
 * The certificate that the token brings along, if it was issued under this authority. Where the root names the one that signs,
 * that is the only one: else a key that was taken out of the root would still be believed.
 */
async function embeddedPath(
  token: TimestampToken,
  authority: TimestampAuthority,
): Promise<CertificatePath | undefined> {
  if (namesItsSigner(authority)) return undefined;
  const { certificates } = token.signedData;
  const signer = certificates.find((one) => isSignerOf(token, one));
  if (signer === undefined) return undefined;
  try {
    return await pathOf(signer, certificates, token.at, authority);
  } catch (error) {
    if (error instanceof TrustError && error.code === "CERTIFICATE_UNTRUSTED") return undefined;
    throw error;
  }
}

function namesItsSigner({ chain: [first] }: TimestampAuthority): boolean {
  return first?.basicConstraints?.ca !== true && first?.issuer.raw.equals(first.subject.raw) === false;
}

/** Intermediates are those of the root; only where it names none but the anchor, those brought along help. */
function pathOf(
  leaf: Certificate,
  embedded: readonly Certificate[],
  at: number,
  { chain }: TimestampAuthority,
): Promise<CertificatePath> {
  const own = chain.slice(0, -1).filter((one) => one !== leaf);
  const intermediates = chain.length === 1 ? embedded.filter((one) => one !== leaf) : own;
  return verifyPath({ leaf, intermediates, roots: chain.slice(-1), at, eku: purposes.timeStamping });
}

function windowText({ window: { start, end } }: TimestampAuthority): string {
  return `from ${timeText(start)}${end === undefined ? "" : ` to ${timeText(end)}`}`;
}

function timeText(at: number): string {
  return new Date(at).toISOString();
}
