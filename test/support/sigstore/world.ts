import { codeSigning, ecKey, ed25519Key, type Issued, type KeyPair, spkiOf } from "../x509.ts";
import { type Authority, createAuthority, issueTimestamper, timeStamping } from "./authority.ts";
import { base64, rfc3339 } from "./jcs.ts";
import { keyDetailsOf, type LogKey, logKey } from "./log-key.ts";
import { createRekorV1, type Json, type RekorV1 } from "./rekor-v1.ts";
import { createRekorV2, type RekorV2 } from "./rekor-v2.ts";

/** When something may be believed, in milliseconds since 1970; no end means that it is in use. */
export interface ValidFor {
  readonly start: number;
  readonly end?: number;
}

export interface WorldOptions {
  /** Milliseconds since 1970; the real clock without one. */
  readonly now?: () => number;
  /** Of the certificate authorities; P-384 as the public ones have. */
  readonly curve?: "P-256" | "P-384" | "P-521";
  /** Of the second log; Ed25519 as the public one has. */
  readonly rekor2Key?: () => KeyPair;
  /** Sign checkpoints of the second log too; no root knows them. */
  readonly witnesses?: number;
  /** The windows in the trusted root; from the beginning, without end. */
  readonly validFor?: Partial<Record<ServiceName, ValidFor>>;
}

export type ServiceName = "fulcio" | "rekor" | "rekor2" | "tsa" | "ctlog";

/** All keys and logs of one Sigstore, without a network. */
export interface World {
  readonly now: () => number;
  /** Before everything in it. */
  readonly beginning: number;
  readonly fulcio: Authority;
  readonly tsa: Authority;
  readonly timestamper: Issued;
  readonly ctlog: LogKey;
  readonly rekor: RekorV1;
  readonly rekor2: RekorV2;
  readonly validFor: Record<ServiceName, ValidFor>;
}

const year = 365 * 86_400_000;

/** Makes the keys and certificates, valid from two years ago for ten years. */
export function createWorld(options: WorldOptions = {}): World {
  const { now = Date.now, curve = "P-384", rekor2Key = ed25519Key, witnesses = 0 } = options;
  const beginning = Math.floor(now() / 1000) * 1000 - 2 * year;
  const newKey = () => ecKey(curve);
  const common = { organization: "sigstore.test", newKey, notBefore: beginning, notAfter: beginning + 10 * year };
  const tsa = createAuthority({ ...common, commonName: "sigstore-tsa", purpose: timeStamping });
  const names = ["fulcio", "rekor", "rekor2", "tsa", "ctlog"] as const;
  const always = Object.fromEntries(names.map((name) => [name, { start: beginning }])) as Record<ServiceName, ValidFor>;
  const cosigners = Array.from({ length: witnesses }, (_, number) =>
    logKey(`witness${number}.test`, ed25519Key(), true),
  );
  return {
    now,
    beginning,
    fulcio: createAuthority({ ...common, commonName: "sigstore", purpose: codeSigning }),
    tsa,
    timestamper: issueTimestamper(tsa, newKey(), beginning, beginning + 10 * year),
    ctlog: logKey("ctfe.sigstore.test", ecKey()),
    rekor: createRekorV1(logKey("rekor.sigstore.test", ecKey())),
    rekor2: createRekorV2(logKey("log2026-1.rekor.sigstore.test", rekor2Key(), true), cosigners),
    validFor: { ...always, ...options.validFor },
  };
}

/** The trusted root of a world, in protobuf's JSON (v0.1). */
export function trustedRootOf(world: World): TrustedRootJson {
  const { fulcio, tsa, timestamper, ctlog, rekor, rekor2, validFor } = world;
  const chain = (certificates: readonly Issued[]) => ({
    certificates: certificates.map(({ der }) => ({ rawBytes: base64(der) })),
  });
  const subject = (commonName: string) => ({ organization: "sigstore.test", commonName });
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logInstance(rekor.key, validFor.rekor), logInstance(rekor2.key, validFor.rekor2)],
    certificateAuthorities: [
      {
        subject: subject("sigstore"),
        uri: "https://fulcio.sigstore.test",
        certChain: chain(fulcio.chain),
        validFor: windowOf(validFor.fulcio),
      },
    ],
    ctlogs: [logInstance(ctlog, validFor.ctlog)],
    timestampAuthorities: [
      {
        subject: subject("sigstore-tsa"),
        uri: "https://timestamp.sigstore.test/api/v1/timestamp",
        certChain: chain([timestamper, ...tsa.chain]),
        validFor: windowOf(validFor.tsa),
      },
    ],
  };
}

export interface TrustedRootJson {
  readonly mediaType: string;
  readonly tlogs: readonly Json[];
  readonly certificateAuthorities: readonly Json[];
  readonly ctlogs: readonly Json[];
  readonly timestampAuthorities: readonly Json[];
}

/** One entry of `tlogs` or `ctlogs`. */
export function logInstance(key: LogKey, validFor: ValidFor): Json {
  return {
    baseUrl: `https://${key.name}`,
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: base64(spkiOf(key)), keyDetails: keyDetailsOf(key), validFor: windowOf(validFor) },
    logId: { keyId: base64(key.logId) },
  };
}

export function windowOf({ start, end }: ValidFor): Json {
  return { start: rfc3339(start), ...(end !== undefined && { end: rfc3339(end) }) };
}
