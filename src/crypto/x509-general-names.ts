import {
  contextTag,
  type DerNode,
  derBytes,
  derChildren,
  derContent,
  derError,
  derFields,
  derTags,
  expectTag,
  tagName,
} from "./der.ts";
import { derOid, derStringAs } from "./der-values.ts";
import { readName } from "./x509-name.ts";

/** A subject alternative name of one of the kinds that name a signer (RFC 5280 §4.2.1.6). */
export type AlternativeName =
  | { readonly type: "email" | "uri" | "dns"; readonly value: string }
  /** Written as in RFC 5952; `bytes` are 4 or 16. */
  | { readonly type: "ip"; readonly value: string; readonly bytes: Buffer }
  /** `value` is the text where it is a UTF8String, as Fulcio's user names are. */
  | { readonly type: "otherName"; readonly oid: string; readonly value: string | undefined }
  | { readonly type: "directoryName"; readonly value: string; readonly raw: Buffer }
  | { readonly type: "other"; readonly value: undefined };

/** Choices of GeneralName by identifier octet. */
export const generalNameTags = {
  otherName: contextTag(0, "constructed"),
  email: contextTag(1, "primitive"),
  dns: contextTag(2, "primitive"),
  x400: contextTag(3, "constructed"),
  directoryName: contextTag(4, "constructed"),
  ediParty: contextTag(5, "constructed"),
  uri: contextTag(6, "primitive"),
  ip: contextTag(7, "primitive"),
  registeredId: contextTag(8, "primitive"),
} as const;

/** Names in one extension; bounds the work of matching them. */
export const maxNames = 256;

/** Reads the value of SubjectAltName: at least one name, of any kind. */
export function readAlternativeNames(value: DerNode): readonly AlternativeName[] {
  const names = derChildren(expectTag(value, derTags.sequence, "the subject alternative names"));
  if (names.length === 0 || names.length > maxNames)
    throw derError(value, "the number of alternative names is out of range", `1 to ${maxNames}`, `${names.length}`);
  return names.map(readGeneralName);
}

function readGeneralName(node: DerNode): AlternativeName {
  switch (node.tag) {
    case generalNameTags.email:
      return { type: "email", value: nameText(node) };
    case generalNameTags.dns:
      return { type: "dns", value: nameText(node) };
    case generalNameTags.uri:
      return { type: "uri", value: nameText(node) };
    case generalNameTags.ip:
      return readIp(node);
    case generalNameTags.otherName:
      return readOtherName(node);
    case generalNameTags.directoryName:
      return readDirectoryName(node);
    case generalNameTags.x400:
    case generalNameTags.ediParty:
    case generalNameTags.registeredId:
      return { type: "other", value: undefined };
    default:
      throw derError(node, "an alternative name is of no known kind", "a GeneralName", tagName(node.tag));
  }
}

/** IA5String without control characters: a NUL or a newline in a name is there to deceive somebody. */
function nameText(node: DerNode): string {
  const text = derStringAs(node, derTags.ia5String);
  if (!/^[\x20-\x7e]+$/.test(text))
    throw derError(node, "an alternative name is empty or has control characters", "printable text");
  return text;
}

function readIp(node: DerNode): AlternativeName {
  const bytes = derContent(node);
  if (bytes.length !== 4 && bytes.length !== 16)
    throw derError(node, "an IP address has a wrong length", "4 or 16 bytes", `${bytes.length} bytes`);
  return { type: "ip", value: formatIp(bytes), bytes };
}

/** An address of 4 or 16 bytes as text, IPv6 as in RFC 5952. */
export function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  const address = groups.join(":");
  const [longest] = [...address.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  if (longest === undefined) return address;
  return `${address.slice(0, longest.index)}::${address.slice(longest.index + longest[0].length + 1)}`;
}

function readOtherName(node: DerNode): AlternativeName {
  const fields = derFields(node);
  const oid = derOid(fields.take(derTags.oid, "the type of an otherName"));
  const inner = derFields(fields.take(contextTag(0, "constructed"), "the value of an otherName"));
  fields.end();
  const value = inner.takeAny("the value of an otherName");
  inner.end();
  if (value.tag !== derTags.utf8String) return { type: "otherName", oid, value: undefined };
  const text = derStringAs(value, value.tag);
  if (/^$|\p{Cc}/u.test(text))
    throw derError(node, "an alternative name is empty or has control characters", "printable text");
  return { type: "otherName", oid, value: text };
}

function readDirectoryName(node: DerNode): AlternativeName {
  const inner = derFields(node);
  const name = inner.takeAny("a directory name");
  inner.end();
  return { type: "directoryName", value: readName(name).text, raw: derBytes(name) };
}
