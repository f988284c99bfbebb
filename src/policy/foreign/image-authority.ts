import { algorithms } from "../../crypto/public-key.ts";
import { createPattern } from "../../crypto/x509-identity.ts";
import { asTrustError, TrustError } from "../../errors.ts";
import type { EvidenceMinima, TrustRoot } from "../../trust/trust-root.ts";
import type { PolicySources } from "../authority-rules.ts";
import { composeRoot } from "../composed-root.ts";
import { openEmbeddedRoot } from "../embedded-root.ts";
import { identityOf } from "../keyless-identity.ts";
import { nonEmpty } from "../non-empty.ts";
import type { KeyAuthority, KeylessAuthority, KeylessIdentity, StaticAuthority, Unusable } from "../policy.ts";
import { parsePolicyKeys } from "../policy-keys.ts";
import { keysOfSecret, type SecretEntry } from "../secret-keys.ts";
import { type AttestationRule, readAttestationRules } from "./attestation-rule.ts";
import type { ImageAuthority } from "./schema.ts";
import { isSet } from "./schema-parts.ts";

/** What an authority of a ClusterImagePolicy comes to. */
export type ReadImageAuthority =
  /** `rules`: of its attestations, in order; all of them are judged here. */
  | { readonly authority: KeyAuthority | KeylessAuthority; readonly rules: readonly (JudgedRule | undefined)[] }
  | { readonly static: StaticAuthority }
  | UnusableAuthority;

interface UnusableAuthority {
  readonly unusable: Unusable;
  /** Which character of the rule of which attestation is the reason. */
  readonly at?: { readonly attestation: number; readonly offset: number };
}

type JudgedRule = Extract<AttestationRule, { readonly condition: unknown }>;

type OpenRoot = NonNullable<PolicySources["openRoot"]>;

/**
 * Makes an authority that counts as policy-controller counts it. One whose keys are elsewhere, whose policies are in
 * languages that are not judged here, or whose roots are not there, is unusable: it is never satisfied, and says why.
 * Expressions have been checked.
 */
export async function readImageAuthority(
  written: ImageAuthority,
  name: string,
  { openRoot = openEmbeddedRoot, readSecret }: PolicySources,
): Promise<ReadImageAuthority> {
  if (written.static !== undefined) {
    const { action, message } = written.static;
    const said = action === "fail" ? `disallowed by static policy${isSet(message) ? `: ${message}` : ""}` : message;
    return { static: { name, action, ...(said === undefined || said === "" ? {} : { message: said }) } };
  }
  const unusable = unusableBecause(written, readSecret);
  if (unusable !== undefined) return { unusable: { name, ...unusable } };
  const rules = await readRules(written, name);
  if ("unusable" in rules) return rules;
  try {
    if (written.key === undefined) return { authority: { name, ...(await readKeyless(written, openRoot)) }, rules };
    return { authority: { name, ...(await readKey(written, openRoot, readSecret)) }, rules };
  } catch (error) {
    const { message, expected = "what the authority names", code } = asTrustError(error);
    if (code === "INTERNAL") throw error;
    return { unusable: { name, reason: `the authority ${name} cannot be used: ${message}`, expected } };
  }
}

async function readRules(
  { attestations = [] }: ImageAuthority,
  name: string,
): Promise<readonly (JudgedRule | undefined)[] | UnusableAuthority> {
  const rules: (JudgedRule | undefined)[] = [];
  for (const [attestation, rule] of (await readAttestationRules(attestations)).entries()) {
    if (rule === undefined || "condition" in rule) {
      rules.push(rule);
      continue;
    }
    const { unread, offset } = rule;
    const why = `its attestation ${attestations[attestation]?.name ?? ""} is judged by ${unread}`;
    const unusable = { name, ...elsewhere(why, "the rule as a condition in CEL, in a ClusterTrustPolicy") };
    return { unusable, ...(offset === undefined ? {} : { at: { attestation, offset } }) };
  }
  return rules;
}

/** What of an authority is not judged by here. */
function unusableBecause(
  { key, keyless }: ImageAuthority,
  readSecret: PolicySources["readSecret"],
): Omit<Unusable, "name"> | undefined {
  if (isSet(key?.kms)) return elsewhere("its key is in a key management service", "the public key in data");
  if (key?.secretRef !== undefined && readSecret === undefined)
    return elsewhere("its key is in a Secret", "the public key in data");
  if (keyless?.["ca-cert"] !== undefined)
    return elsewhere("policy-controller checks nothing against ca-cert either", "a TrustRoot, by trustRootRef");
  return undefined;
}

function elsewhere(why: string, expected: string): Omit<Unusable, "name"> {
  return { reason: `it is not judged here: ${why}`, expected };
}

async function readKey(
  { key, ctlog, rfc3161timestamp }: ImageAuthority,
  openRoot: OpenRoot,
  readSecret: PolicySources["readSecret"],
): Promise<Omit<KeyAuthority, "name">> {
  const keys =
    key?.secretRef === undefined || readSecret === undefined
      ? parsePolicyKeys(key?.data ?? "")
      : await keysOfSecret(onlyEntryOf(key.secretRef), readSecret);
  const hash = key?.hashAlgorithm === undefined || key.hashAlgorithm === "" ? "sha256" : key.hashAlgorithm;
  for (const { algorithm } of keys) {
    const { hashes } = algorithms[algorithm];
    // What signs the message itself has no hash to choose.
    if (hashes.some((known) => known === undefined || known === hash)) continue;
    const expected = `${hashes.join(" or ")} with a key ${algorithm}`;
    throw new TrustError("KEY_UNSUPPORTED", `signatures over ${hash} by a key ${algorithm} are not verified here`, {
      expected,
    });
  }
  const stamped = isSet(rfc3161timestamp?.trustRootRef);
  // With timestamps policy-controller does not ask a log any more.
  const logged = !stamped && (isSet(ctlog?.trustRootRef) || isSet(ctlog?.url));
  if (!stamped && !logged) return { kind: "key", keys };
  const root = await openNamed(stamped ? rfc3161timestamp?.trustRootRef : ctlog?.trustRootRef, openRoot);
  return { kind: "key", keys, root, require: { log: logged, timestamp: stamped } };
}

/** policy-controller reads the one entry that a Secret has, in the namespace that it runs in, whatever the policy says. */
function onlyEntryOf({ name }: NonNullable<NonNullable<ImageAuthority["key"]>["secretRef"]>): SecretEntry {
  if (isSet(name)) return { name: name ?? "" };
  throw new TrustError("SECRET_UNUSABLE", "the reference to a Secret has no name", { expected: "secretRef.name" });
}

async function readKeyless(
  { keyless, ctlog, rfc3161timestamp }: ImageAuthority,
  openRoot: OpenRoot,
): Promise<Omit<KeylessAuthority, "name">> {
  const own = keyless?.trustRootRef;
  const certificates = await openNamed(own, openRoot);
  const logs =
    isSet(ctlog?.trustRootRef) || isSet(ctlog?.url) ? await openNamed(ctlog?.trustRootRef, openRoot) : certificates;
  const stamped = isSet(rfc3161timestamp?.trustRootRef);
  const timestamps = stamped ? await openNamed(rfc3161timestamp?.trustRootRef, openRoot) : certificates;
  const isLogged = isSet(ctlog?.trustRootRef) || isSet(ctlog?.url) || (!isSet(own) && ctlog === undefined);
  const asked = stamped ? { timestamp: 1 } : isLogged ? loggedMinima(certificates) : {};
  const noSct = keyless?.insecureIgnoreSCT === true;
  const root = composeRoot({ certificates, logs, timestamps, require: { ...asked, ...(noSct ? { sct: 0 } : {}) } });
  const identities: KeylessIdentity[] = [];
  for (const identity of keyless?.identities ?? []) identities.push(await readIdentity(identity));
  const unsafe = [...identities.flatMap(searching), ...(noSct ? ["insecureIgnoreSCT: certificates need no SCT"] : [])];
  return { kind: "keyless", root, identities: nonEmpty(identities), ...(unsafe.length === 0 ? {} : { unsafe }) };
}

/** A root without logs of its own asks for timestamps instead; here there is a log. */
function loggedMinima({ logs, require }: TrustRoot): Partial<EvidenceMinima> {
  return { log: Math.max(1, require.log), ...(logs.length === 0 ? { timestamp: 0 } : {}) };
}

/** policy-controller takes the public-good deployment where none is named. */
function openNamed(name: string | undefined, openRoot: OpenRoot): Promise<TrustRoot> {
  return openRoot(name === undefined || name === "" ? "public-good" : name);
}

type Identity = NonNullable<ImageAuthority["keyless"]>["identities"][number];

async function readIdentity({ issuer, issuerRegExp, subject, subjectRegExp }: Identity): Promise<KeylessIdentity> {
  const rule = {
    ...(isSet(issuer) ? { issuer } : { issuerRegex: issuerRegExp }),
    ...(isSet(subject) ? { subject } : { subjectRegex: subjectRegExp }),
  };
  return identityOf(rule, await createTest(issuer, issuerRegExp), await createTest(subject, subjectRegExp));
}

async function createTest(text: string | undefined, regex: string | undefined): Promise<(value: string) => boolean> {
  if (regex !== undefined && regex !== "") return createPattern(regex, "anywhere");
  // The schema has seen to it that one of them is there; nobody is better than everybody.
  return (value) => text !== undefined && text !== "" && value === text;
}

function searching({ issuerRegex, subjectRegex }: KeylessIdentity): readonly string[] {
  return [issuerRegex, subjectRegex].flatMap((regex) =>
    regex === undefined ? [] : [`/${regex.slice(0, 200)}/ may match anywhere in a name, not only the whole of it`],
  );
}
