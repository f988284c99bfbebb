import { claimNames } from "../../crypto/fulcio-claims.ts";
import { findPemBlocks } from "../../crypto/pem.ts";
import type { Path } from "../document.ts";
import { parsePolicyKeys } from "../policy-keys.ts";
import { type Ledger, searching, wildcardRegex } from "./draft.ts";
import type { KyvernoAttestor, KyvernoEntry, VerifyImages } from "./kyverno-schema.ts";

type Made = { readonly name: string } & Readonly<Record<string, unknown>>;

/** The authorities of a set of attestors, and how many of them have to sign. */
export interface ReadAttestors {
  readonly authorities: readonly Made[];
  readonly threshold: number;
  /** Attestors that have no equivalent. */
  readonly missing: number;
}

/**
 * Reads a set of attestors: of its entries `count` have to sign, or all. A text with several keys counts as so many entries.
 */
export function authoritiesOf(
  { count, entries }: KyvernoAttestor,
  verify: VerifyImages,
  path: Path,
  ledger: Ledger,
): ReadAttestors {
  const read = entries.flatMap((entry, index) => expand(entry).map((one) => ({ entry: one, index })));
  const made = read.map(({ entry, index }, number) => {
    const where = [...path, "entries", index];
    const annotations = { ...verify.annotations, ...entry.annotations };
    const wild = Object.values(annotations).some((value) => /[*?]/.test(value));
    if (wild) return leave(ledger, where, "annotations with wildcards");
    const rules = entryRules(entry, where, ledger);
    if (rules === undefined) return undefined;
    const kept = Object.keys(annotations).length === 0 ? {} : { annotations };
    return { name: `attestor-${number}`, ...rules, ...kept };
  });
  const authorities = made.flatMap((one) => one ?? []);
  return { authorities, threshold: count ?? read.length, missing: made.length - authorities.length };
}

function expand(entry: KyvernoEntry): readonly KyvernoEntry[] {
  const { keys } = entry;
  const blocks = findPemBlocks(keys?.publicKeys ?? "");
  if (keys === undefined || blocks.length < 2) return [entry];
  return blocks.map(({ block }) => ({ ...entry, keys: { ...keys, publicKeys: block } }));
}

function leave(ledger: Ledger, path: Path, what: string): undefined {
  ledger.lose(path, `${what} has no equivalent`, "the attestor is left out: it satisfies nothing");
  return undefined;
}

function entryRules(entry: KyvernoEntry, path: Path, ledger: Ledger): Readonly<Record<string, unknown>> | undefined {
  if (entry.repository !== undefined)
    ledger.lose(
      [...path, "repository"],
      "a repository for signatures has no equivalent",
      "they are looked for beside the image, and where --signature-repository says",
    );
  if (entry.keys !== undefined) return keyRules(entry.keys, [...path, "keys"], ledger);
  if (entry.keyless !== undefined) return keylessRules(entry.keyless, [...path, "keyless"], ledger);
  const what = entry.certificates === undefined ? "a nested attestor" : "a pinned certificate";
  return leave(ledger, path, what);
}

function keyRules(keys: NonNullable<KyvernoEntry["keys"]>, path: Path, ledger: Ledger) {
  const { publicKeys = "", rekor, ctlog, signatureAlgorithm = "sha256" } = keys;
  if (keys.kms !== undefined || keys.secret !== undefined || !publicKeys.includes("-----BEGIN"))
    return leave(ledger, path, "a key that is not written out");
  if (signatureAlgorithm !== "sha256")
    return leave(ledger, [...path, "signatureAlgorithm"], `the hash ${signatureAlgorithm}`);
  if (rekor?.pubkey !== undefined || ctlog?.tsaCertChain !== undefined)
    return leave(ledger, path, "a log or timestamp authority of one's own");
  try {
    parsePolicyKeys(publicKeys);
  } catch {
    return leave(ledger, [...path, "publicKeys"], "a key that cannot be read");
  }
  const logged = rekor?.ignoreTlog === true ? {} : { trustRoot: "public-good", require: { log: true } };
  return { key: { data: publicKeys, ...logged } };
}

function keylessRules(keyless: NonNullable<KyvernoEntry["keyless"]>, path: Path, ledger: Ledger) {
  const { issuer, issuerRegExp, subject, subjectRegExp, rekor, ctlog } = keyless;
  if (
    keyless.roots !== undefined ||
    rekor?.pubkey !== undefined ||
    ctlog?.pubkey !== undefined ||
    ctlog?.tsaCertChain !== undefined
  )
    return leave(ledger, path, "a deployment of Sigstore of one's own");
  const claims = Object.entries(keyless.additionalExtensions ?? {}).map(
    ([name, value]) => [claimOf(name), value] as const,
  );
  if (claims.some(([name, value]) => name === undefined || /[*?]/.test(value)))
    return leave(ledger, [...path, "additionalExtensions"], "an extension that is not known, or with wildcards");
  const by = nameRule("issuer", issuer, issuerRegExp);
  const who = nameRule("subject", subject, subjectRegExp);
  if (by === undefined) return leave(ledger, path, "signers of any issuer");
  if (who === undefined && claims.length === 0) return leave(ledger, path, "everybody of an issuer");
  if (ctlog?.ignoreSCT === true)
    ledger.lose([...path, "ctlog", "ignoreSCT"], "ignoreSCT has no equivalent", "certificates need an SCT");
  if (rekor?.ignoreTlog === true)
    ledger.lose(
      [...path, "rekor", "ignoreTlog"],
      "ignoreTlog has no equivalent",
      "a log entry or a timestamp is needed",
    );
  const identity = { ...by, ...who, ...(claims.length === 0 ? {} : { claims: Object.fromEntries(claims) }) };
  const require = rekor?.ignoreTlog === true ? {} : { require: { log: true } };
  return { keyless: { trustRoot: "public-good", identities: [identity], ...require } };
}

function claimOf(name: string): string | undefined {
  return claimNames.find((claim) => claim.toLowerCase() === name.toLowerCase());
}

/** Exactly, where there are no wildcards. */
function nameRule(
  field: "issuer" | "subject",
  text: string | undefined,
  regex: string | undefined,
): object | undefined {
  if (regex !== undefined && regex !== "") {
    const whole = searching(regex);
    return whole === undefined ? undefined : { [`${field}Regex`]: whole };
  }
  if (text === undefined || /^\**$/.test(text)) return undefined;
  return /[*?]/.test(text) ? { [`${field}Regex`]: wildcardRegex(text) } : { [field]: text };
}
