import { contextTag, type DerNode, derChildren, derContent, derError, derFields, derTags, expectTag } from "./der.ts";
import { derStringAs } from "./der-values.ts";
import type { Certificate } from "./x509.ts";
import { type AlternativeName, generalNameTags, maxNames } from "./x509-general-names.ts";
import { readName } from "./x509-name.ts";

/** One subtree of names; `bytes` are address and mask of an IP range, or the content of a directory name. */
type Subtree =
  | { readonly type: "email" | "dns" | "uri"; readonly value: string }
  | { readonly type: "ip" | "directoryName"; readonly bytes: Buffer }
  | { readonly type: "other" };

/** What a certificate authority may put into names (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

/** Reads the value of NameConstraints. */
export function readNameConstraints(value: DerNode): NameConstraints {
  const fields = derFields(expectTag(value, derTags.sequence, "the name constraints"));
  const permitted = fields.optional(contextTag(0, "constructed"));
  const excluded = fields.optional(contextTag(1, "constructed"));
  fields.end();
  if (permitted === undefined && excluded === undefined)
    throw derError(value, "the name constraints are empty", "permitted or excluded names");
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(node: DerNode | undefined): readonly Subtree[] {
  if (node === undefined) return [];
  const subtrees = derChildren(node);
  if (subtrees.length === 0 || subtrees.length > maxNames)
    throw derError(node, "the number of name constraints is out of range", `1 to ${maxNames}`, `${subtrees.length}`);
  return subtrees.map((subtree) => {
    const fields = derFields(expectTag(subtree, derTags.sequence, "a name constraint"));
    const base = fields.takeAny("the base of a name constraint");
    // minimum is 0, which DER leaves out, and maximum is absent.
    fields.end();
    return readBase(base);
  });
}

function readBase(node: DerNode): Subtree {
  switch (node.tag) {
    case generalNameTags.email:
      return { type: "email", value: derStringAs(node, derTags.ia5String) };
    case generalNameTags.dns:
      return { type: "dns", value: derStringAs(node, derTags.ia5String) };
    case generalNameTags.uri:
      return { type: "uri", value: derStringAs(node, derTags.ia5String) };
    case generalNameTags.ip:
      return { type: "ip", bytes: readRange(node) };
    case generalNameTags.directoryName: {
      const [name, second] = derChildren(node);
      if (name === undefined || second !== undefined)
        throw derError(node, "a directory name is not one name", "one name");
      readName(name);
      return { type: "directoryName", bytes: derContent(name) };
    }
    default:
      return { type: "other" };
  }
}

function readRange(node: DerNode): Buffer {
  const bytes = derContent(node);
  const mask = bytes.subarray(bytes.length / 2);
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  if ((bytes.length !== 8 && bytes.length !== 32) || !/^1*0*$/.test(bits))
    throw derError(node, "a range of IP addresses is malformed", "address and mask of 4 or 16 bytes each");
  return bytes;
}

/** Why a name is not allowed: what the constraints expect and the name that was found. */
export interface NameViolation {
  readonly expected: string;
  readonly found: string;
}

/**
 * The first name of the certificate that the constraints do not allow. A name that cannot be judged under constraints of its
 * kind counts as not allowed, and so does every name under constraints of a kind that is not supported.
 */
export function violationOf(constraints: NameConstraints, certificate: Certificate): NameViolation | undefined {
  const { permitted, excluded } = constraints;
  if ([...permitted, ...excluded].some(({ type }) => type === "other"))
    return { expected: "constraints on e-mail, DNS, URI, IP and directory names only", found: "another kind" };
  // The bytes of equal directory names may differ, which for an exclusion would be a way around it.
  if (excluded.some(({ type }) => type === "directoryName"))
    return { expected: "no directory names among those excluded", found: "an excluded directory name" };
  for (const name of namesOf(certificate)) {
    const own = permitted.filter(({ type }) => type === name.type);
    const against = excluded.filter(({ type }) => type === name.type);
    if (own.length > 0 && !own.some((subtree) => isWithin(name, subtree) === true))
      return { expected: `a name within ${own.map(subtreeText).join(", ")}`, found: nameText(name) };
    const broken = against.find((subtree) => isWithin(name, subtree) !== false);
    if (broken !== undefined) return { expected: `a name outside ${subtreeText(broken)}`, found: nameText(name) };
  }
  return undefined;
}

/** All names that constraints speak of: alternative names, the subject, and e-mail addresses in it. */
function namesOf({ subject, subjectAlternativeNames }: Certificate): readonly AlternativeName[] {
  const emails = subject.rdns.flat().filter(({ type }) => type === "emailAddress");
  const own: AlternativeName = { type: "directoryName", value: subject.text, raw: subject.raw };
  return [
    ...subjectAlternativeNames,
    ...(subject.rdns.length > 0 ? [own] : []),
    ...emails.map(({ value }): AlternativeName => ({ type: "email", value })),
  ];
}

/** Whether the name is in the subtree; undefined if that cannot be said. */
function isWithin(name: AlternativeName, subtree: Subtree): boolean | undefined {
  if (name.type === "dns" && subtree.type === "dns") return isHostWithin(name.value, subtree.value, true);
  if (name.type === "uri" && subtree.type === "uri") return isUriWithin(name.value, subtree.value);
  if (name.type === "email" && subtree.type === "email") return isEmailWithin(name.value, subtree.value);
  if (name.type === "ip" && subtree.type === "ip") return isIpWithin(name.bytes, subtree.bytes);
  if (name.type === "directoryName" && subtree.type === "directoryName") return isNameWithin(name.raw, subtree.bytes);
  return undefined;
}

const hostPattern = /^(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;

/** A leading dot wants at least one label more; without it a DNS constraint includes, and others are, that host itself. */
function isHostWithin(host: string, constraint: string, withSubdomains: boolean): boolean | undefined {
  const name = host.toLowerCase();
  const base = constraint.toLowerCase();
  const bare = base.replace(/^\./, "");
  if (!hostPattern.test(name) || (bare !== "" && !hostPattern.test(bare))) return undefined;
  if (base === "") return withSubdomains ? true : undefined;
  if (base.startsWith(".")) return name.endsWith(base);
  return name === base || (withSubdomains && name.endsWith(`.${base}`));
}

const uriPattern = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\]*@)?([^/?#:@\\[\]]+)(?::\d*)?(?:[/?#]|$)/i;

function isUriWithin(uri: string, constraint: string): boolean | undefined {
  const host = uriPattern.exec(uri)?.[1];
  if (host === undefined || /^[\d.]+$/.test(host)) return undefined;
  return isHostWithin(host, constraint, false);
}

function isEmailWithin(address: string, constraint: string): boolean | undefined {
  const [mailbox, host, ...more] = address.split("@");
  if (
    mailbox === undefined ||
    host === undefined ||
    more.length > 0 ||
    !/^[\x21-\x7e]+$/.test(mailbox) ||
    mailbox.includes('"')
  )
    return undefined;
  const at = constraint.lastIndexOf("@");
  if (at < 0) return isHostWithin(host, constraint, false);
  const sameHost = isHostWithin(host, constraint.slice(at + 1), false);
  return sameHost === true ? mailbox === constraint.slice(0, at) : sameHost;
}

function isIpWithin(address: Buffer, range: Buffer): boolean {
  const size = range.length / 2;
  if (address.length !== size) return false;
  return address.every((octet, index) => {
    const mask = range[size + index] ?? 0;
    return (octet & mask) === ((range[index] ?? 0) & mask);
  });
}

/** The first parts of the name are the constraint, byte by byte; both are made of whole DER values. */
function isNameWithin(name: Buffer, constraint: Buffer): boolean {
  const header = name.length - contentLength(name);
  return name.subarray(header, header + constraint.length).equals(constraint);
}

function contentLength(der: Buffer): number {
  const first = der[1] ?? 0;
  return first < 0x80 ? first : der.readUIntBE(2, first - 0x80);
}

function subtreeText(subtree: Subtree): string {
  if (subtree.type === "ip") return `ip:${subtree.bytes.toString("hex")}`;
  return subtree.type === "email" || subtree.type === "dns" || subtree.type === "uri"
    ? `${subtree.type}:${JSON.stringify(subtree.value)}`
    : subtree.type;
}

function nameText(name: AlternativeName): string {
  return `${name.type}:${name.value ?? ""}`;
}
