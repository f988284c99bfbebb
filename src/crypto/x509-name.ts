import { type DerNode, derBytes, derChildren, derError, derFields, derTags, expectTag } from "./der.ts";
import { derOid, derString } from "./der-values.ts";

/** One attribute of a name; `type` is its short name (`CN`) where it has one, else its object identifier. */
export interface NameAttribute {
  readonly type: string;
  readonly value: string;
}

/** A distinguished name (RFC 5280 §4.1.2.4). Two names are the same only if their bytes are. */
export interface DistinguishedName {
  readonly raw: Buffer;
  /** In the order of the certificate; most have one attribute each. */
  readonly rdns: readonly (readonly NameAttribute[])[];
  /** For people: `C=US, O=Acme, CN=signer`, escaped as in RFC 4514 §2.4, in the order of the certificate. */
  readonly text: string;
}

const shortNames: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.42": "GN",
  "2.5.4.97": "organizationIdentifier",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};

/** Reads a Name. The sets in it are in DER order and hold no attribute twice. */
export function readName(node: DerNode): DistinguishedName {
  const rdns = derChildren(expectTag(node, derTags.sequence, "a name")).map(readRdn);
  return { raw: derBytes(node), rdns, text: rdns.map(rdnText).join(", ") };
}

function readRdn(node: DerNode): readonly NameAttribute[] {
  const attributes = derChildren(expectTag(node, derTags.set, "a part of a name"));
  if (attributes.length === 0) throw derError(node, "a part of a name is empty", "at least one attribute");
  for (const [index, attribute] of attributes.entries()) {
    const before = attributes[index - 1];
    if (before !== undefined && Buffer.compare(derBytes(before), derBytes(attribute)) >= 0)
      throw derError(attribute, "a SET is not in order", "ascending encodings, each once");
  }
  return attributes.map(readAttribute);
}

function readAttribute(node: DerNode): NameAttribute {
  const fields = derFields(expectTag(node, derTags.sequence, "an attribute of a name"));
  const oid = derOid(fields.take(derTags.oid, "the type of an attribute"));
  const value = fields.takeAny("the value of an attribute");
  fields.end();
  const type = shortNames[oid] ?? oid;
  // x500UniqueIdentifier; every other attribute is text.
  if (value.tag === derTags.bitString) return { type, value: `#${derBytes(value).toString("hex", 0, 64)}` };
  return { type, value: derString(value) };
}

function rdnText(rdn: readonly NameAttribute[]): string {
  return rdn.map(({ type, value }) => `${type}=${escapeValue(value)}`).join("+");
}

function escapeValue(value: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9./:@_ -]*[A-Za-z0-9])?$/.test(value)) return value;
  const escaped = value.replace(/[,+"\\<>;=]|^[ #]| $/g, "\\$&");
  // Control and direction-changing characters must not reach a terminal.
  return escaped.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
