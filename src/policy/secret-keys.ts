import { asTrustError, TrustError } from "../errors.ts";
import type { KeyAuthority } from "./policy.ts";
import { parsePolicyKeys } from "./policy-keys.ts";

/** An entry of the data of a Secret. */
export interface SecretEntry {
  readonly name: string;
  /** Undefined: the namespace that this program runs in. */
  readonly namespace?: string | undefined;
  /** Undefined: the only one that the Secret has. */
  readonly entry?: string | undefined;
  /** The namespace whose policy asks; undefined: a policy of the cluster. */
  readonly asker?: string | undefined;
}

/** Reads the text of an entry of a Secret. Throws a `TrustError`, `SECRET_UNUSABLE` where it is not there. */
export type ReadSecret = (secret: SecretEntry) => Promise<string>;

const maxLength = 64 * 1024;

/**
 * The public keys in an entry of a Secret. Whatever else is in it is refused and only named, for what it is: no word of it
 * is ever repeated. Throws `SECRET_UNUSABLE`, and what `readSecret` throws.
 */
export async function keysOfSecret(secret: SecretEntry, readSecret: ReadSecret): Promise<KeyAuthority["keys"]> {
  const text = await readSecret(secret);
  const other = otherThanKeys(text);
  if (other !== undefined) throw unusable(secret, `holds ${other}`);
  try {
    return parsePolicyKeys(text);
  } catch (error) {
    // The words about a kind of key that is not verified name the kind alone.
    const { code, message } = asTrustError(error);
    throw unusable(secret, code === "KEY_UNSUPPORTED" ? `holds a key of no use: ${message}` : "holds no readable key");
  }
}

/** What a text is that is not only public keys in PEM. */
function otherThanKeys(text: string): string | undefined {
  if (text.length > maxLength) return `more than ${maxLength} characters`;
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,50})-----/g)].map(([, label = ""]) => label);
  if (labels.some((label) => label.endsWith("PRIVATE KEY"))) return "a private key";
  if (labels.some((label) => label.endsWith("CERTIFICATE"))) return "a certificate";
  if (labels.length === 0) return /[^\P{C}\s]|\uFFFD/u.test(text) ? "binary data" : "no PEM";
  return undefined;
}

function unusable({ name, namespace, entry }: SecretEntry, what: string): TrustError {
  const place = entry === undefined ? "the entry" : `the entry ${entry}`;
  const whole = namespace === undefined ? name : `${namespace}/${name}`;
  return new TrustError("SECRET_UNUSABLE", `${place} of the Secret ${whole} ${what}`, {
    expected: "public keys in PEM, -----BEGIN PUBLIC KEY-----",
  });
}
