import { bytesOf, memberOf, objectsOf, present, readLoosely, textOf, timeOf } from "./loose.ts";

/** What an entry of a transparency log is said to be. Nothing of it is proved. */
export interface LogEntryClaims {
  readonly logIndex?: string;
  /** Hex. */
  readonly logId?: string;
  readonly integratedTime?: string;
  /** `hashedrekord 0.0.1` */
  readonly kind?: string;
  readonly hasPromise: boolean;
  readonly hasProof: boolean;
  /** The first line of the checkpoint: the log's name. */
  readonly log?: string;
}

/** A timestamp token, and the time it says, as far as it can be made out. */
export interface TimestampClaims {
  readonly bytes: number;
  readonly time?: string;
}

/** Entries of a bundle's verification material (sigstore/protobuf-specs, sigstore_rekor.proto). */
export function logEntryClaims(entries: unknown): readonly LogEntryClaims[] {
  return objectsOf(entries, 20).map((entry) => {
    const checkpoint = textOf(memberOf(entry, "inclusionProof", "checkpoint", "envelope"));
    return {
      ...present({
        logIndex: textOf(entry["logIndex"]),
        logId: bytesOf(memberOf(entry, "logId", "keyId"))?.toString("hex"),
        integratedTime: seconds(entry["integratedTime"]),
        kind: kindOf(entry["kindVersion"]) ?? kindInside(entry["canonicalizedBody"]),
        log: checkpoint?.split("\n", 1)[0],
      }),
      hasPromise: memberOf(entry, "inclusionPromise", "signedEntryTimestamp") !== undefined,
      hasProof: memberOf(entry, "inclusionProof", "rootHash") !== undefined,
    };
  });
}

/** The annotation `dev.sigstore.cosign/bundle`, and the `rekorBundle` of older blob bundles (cosign, pkg/cosign/bundle). */
export function rekorBundleClaims(bundle: unknown): LogEntryClaims {
  const payload = memberOf(bundle, "Payload");
  return {
    ...present({
      logIndex: textOf(memberOf(payload, "logIndex")),
      logId: textOf(memberOf(payload, "logID")),
      integratedTime: seconds(memberOf(payload, "integratedTime")),
      kind: kindInside(memberOf(payload, "body")),
    }),
    hasPromise: memberOf(bundle, "SignedEntryTimestamp") !== undefined,
    hasProof: false,
  };
}

/** Tokens in base64 (RFC 3161); each is looked through for its time, no more. */
export function timestampClaims(tokens: readonly unknown[]): readonly TimestampClaims[] {
  return tokens.slice(0, 20).flatMap((token) => {
    const bytes = bytesOf(token);
    return bytes === undefined ? [] : [{ bytes: bytes.length, ...present({ time: tokenTime(bytes) }) }];
  });
}

/** The first GeneralizedTime of a token is that of its TSTInfo, which stands before the certificates. */
function tokenTime(token: Buffer): string | undefined {
  const match = /\x18[\x0d-\x20](\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z/.exec(
    token.toString("latin1", 0, 64 * 1024),
  );
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = ""] = match;
  return timeOf(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction.slice(0, 4)}Z`));
}

function seconds(value: unknown): string | undefined {
  const number = Number(value);
  return value === undefined || value === "" || number === 0 ? undefined : timeOf(number * 1000);
}

function kindOf(version: unknown): string | undefined {
  const [kind, number] = [textOf(memberOf(version, "kind"), 100), textOf(memberOf(version, "version"), 100)];
  return kind === undefined ? undefined : [kind, ...(number === undefined ? [] : [number])].join(" ");
}

function kindInside(body: unknown): string | undefined {
  const document = readLoosely(bytesOf(body) ?? Buffer.of()).value;
  const [kind, number] = [textOf(memberOf(document, "kind"), 100), textOf(memberOf(document, "apiVersion"), 100)];
  return kind === undefined ? undefined : [kind, ...(number === undefined ? [] : [number])].join(" ");
}
