import { algorithms } from "../../crypto/public-key.ts";
import type { Path } from "../document.ts";
import { readAttestationRules } from "../foreign/attestation-rule.ts";
import type { ImageAuthority } from "../foreign/schema.ts";
import { isSet } from "../foreign/schema-parts.ts";
import { parsePolicyKeys } from "../policy-keys.ts";
import { type Ledger, searching, wordOf } from "./draft.ts";

/** A native authority, as written. */
export type MadeAuthority = { readonly name: string } & Readonly<Record<string, unknown>>;

/** A native authority for one of a ClusterImagePolicy; nothing, and a loss, where none is satisfied by as little or less. */
export async function importAuthority(
  written: ImageAuthority,
  index: number,
  ledger: Ledger,
): Promise<MadeAuthority | undefined> {
  const path = ["spec", "authorities", index];
  const name = isSet(written.name) ? wordOf(written.name ?? "") : `authority-${index}`;
  const { key, attestations = [], source = [] } = written;
  if (written.static !== undefined) {
    const { action, message } = written.static;
    return { name, static: { action, ...(isSet(message) ? { message: message?.slice(0, 500) } : {}) } };
  }
  for (const [attestation, rule] of (await readAttestationRules(attestations)).entries())
    if (rule !== undefined && "unread" in rule) {
      const where = [...path, "attestations", attestation, "policy"];
      return leave(ledger, where, `an attestation that is judged by ${rule.unread} has no equivalent`);
    }
  if (source.length > 0)
    ledger.lose(
      [...path, "source"],
      "signatures of one authority at another place have no equivalent",
      "they are looked for beside the image, and where --signature-repository says",
    );
  const rules =
    key === undefined ? keylessRules(written, path, ledger) : keyRules(key, written, [...path, "key"], ledger);
  return rules === undefined ? undefined : { name, ...rules };
}

function leave(ledger: Ledger, path: Path, what: string): undefined {
  ledger.lose(path, what, "the authority is left out: what only it vouches for is refused");
  return undefined;
}

type Rules = Readonly<Record<string, unknown>> | undefined;

function keyRules(
  key: NonNullable<ImageAuthority["key"]>,
  { ctlog, rfc3161timestamp }: ImageAuthority,
  path: Path,
  ledger: Ledger,
): Rules {
  const { data = "", hashAlgorithm = "" } = key;
  if (data === "") return leave(ledger, path, "a key that is not written out has no equivalent");
  const hash = hashAlgorithm === "" ? "sha256" : hashAlgorithm;
  const isRead = parsePolicyKeys(data).every(({ algorithm }) =>
    algorithms[algorithm].hashes.some((known) => known === undefined || known === hash),
  );
  if (!isRead) return leave(ledger, path, `signatures over ${hash} by this key are not verified`);
  if (isSet(rfc3161timestamp?.trustRootRef))
    return { key: { data, trustRoot: rfc3161timestamp?.trustRootRef, require: { timestamp: true } } };
  if (!isSet(ctlog?.url) && !isSet(ctlog?.trustRootRef)) return { key: { data } };
  return { key: { data, trustRoot: ctlog?.trustRootRef || "public-good", require: { log: true } } };
}

function keylessRules(written: ImageAuthority, authority: Path, ledger: Ledger): Rules {
  const { keyless } = written;
  const path = [...authority, "keyless"];
  if (keyless?.["ca-cert"] !== undefined) return leave(ledger, path, "ca-cert has no equivalent");
  const trustRoot = keyless?.trustRootRef || "public-good";
  if (rootsOf(written).some((root) => root !== trustRoot))
    return leave(ledger, path, "certificates, logs and timestamps of different roots have no equivalent");
  if (keyless?.insecureIgnoreSCT === true)
    ledger.lose([...path, "insecureIgnoreSCT"], "insecureIgnoreSCT has no equivalent", "certificates need an SCT");
  const identities = (keyless?.identities ?? []).map(({ issuer, issuerRegExp, subject, subjectRegExp }) => ({
    ...(isSet(issuer) ? { issuer } : { issuerRegex: searching(issuerRegExp ?? "") }),
    ...(isSet(subject) ? { subject } : { subjectRegex: searching(subjectRegExp ?? "") }),
  }));
  return { keyless: { trustRoot, identities, ...evidenceOf(written) } };
}

/** Whose logs and timestamps are believed beside the certificates. */
function rootsOf({ ctlog, rfc3161timestamp }: ImageAuthority): readonly string[] {
  const log = isSet(ctlog?.trustRootRef) ? ctlog?.trustRootRef : isSet(ctlog?.url) ? "public-good" : undefined;
  const stamp = isSet(rfc3161timestamp?.trustRootRef) ? rfc3161timestamp?.trustRootRef : undefined;
  return [log, stamp].flatMap((root) => root ?? []);
}

/** With timestamps policy-controller asks no log; without anything it asks the public one. */
function evidenceOf({ keyless, ctlog, rfc3161timestamp }: ImageAuthority): object {
  if (isSet(rfc3161timestamp?.trustRootRef)) return { require: { timestamp: true } };
  const isDefault = !isSet(keyless?.trustRootRef) && ctlog === undefined;
  return isDefault || isSet(ctlog?.url) || isSet(ctlog?.trustRootRef) ? { require: { log: true } } : {};
}
