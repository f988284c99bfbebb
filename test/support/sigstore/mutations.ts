import type { Json } from "./rekor-v1.ts";

/** A bundle's text after one change, with the name of the change. */
export interface Mutation {
  readonly name: string;
  readonly text: string;
}

type Path = readonly (string | number)[];
type Tree = Record<string | number, unknown>;

/**
 * Every field of a bundle wrong in every way, one at a time: dropped, null, written twice, of another type, encoded otherwise,
 * another value, taken from `other` (a bundle of the same kind); lists emptied and their elements doubled.
 */
export function* mutationsOf(bundle: Json, other: Json): Generator<Mutation> {
  for (const path of pathsIn(bundle)) {
    const value = valueAt(bundle, path);
    const changed = (what: string, replacement: unknown) => ({
      name: `${path.join(".")}: ${what}`,
      text: JSON.stringify(withValue(bundle, path, replacement)),
    });
    yield { name: `${path.join(".")}: dropped`, text: JSON.stringify(without(bundle, path)) };
    yield changed("null", null);
    if (typeof path.at(-1) === "string") yield { name: `${path.join(".")}: twice`, text: twice(bundle, path) };
    const elsewhere = valueAt(other, path);
    if (elsewhere !== undefined && JSON.stringify(elsewhere) !== JSON.stringify(value))
      yield changed("of another bundle", elsewhere);
    for (const [what, replacement] of replacementsOf(value)) yield changed(what, replacement);
  }
}

function replacementsOf(value: unknown): readonly (readonly [string, unknown])[] {
  if (Array.isArray(value)) {
    const [first] = value;
    return [
      ["empty list", []],
      ["not a list", {}],
      ...(first === undefined ? [] : [["doubled", [...value, first]] as const]),
    ];
  }
  if (typeof value === "object" && value !== null)
    return [
      ["empty", {}],
      ["a list of it", [value]],
      ["text", "x"],
    ];
  if (typeof value !== "string") return [["text", String(value)]];
  if (/^\d+$/.test(value)) return numbersFor(value);
  return isBase64(value) ? bytesFor(value) : textsFor(value);
}

function numbersFor(value: string): readonly (readonly [string, unknown])[] {
  const one = BigInt(value);
  return [
    ["one more", String(one + 1n)],
    ["one less", String(one - 1n)],
    ["negative", `-${one + 1n}`],
    ["a year later", String(one + 31_536_000n)],
    ["zero", "0"],
    ["2^64 more", String(one + (1n << 64n))],
    ["2^32 more", String(one + (1n << 32n))],
    ["a number", Number(value)],
    ["with a fraction", Number(value) + 0.5],
    ["with leading zeros", `00${value}`],
    ["with spaces", ` ${value}`],
    ["in hex", `0x${one.toString(16)}`],
    ["with exponent", `${value}e0`],
  ];
}

function bytesFor(value: string): readonly (readonly [string, unknown])[] {
  const bytes = Buffer.from(value, "base64");
  const flipped = (index: number) => {
    const copy = Buffer.from(bytes);
    copy[index] = (copy[index] ?? 0) ^ 1;
    return copy.toString("base64");
  };
  return [
    ["first bit changed", flipped(0)],
    ["middle bit changed", flipped(bytes.length >> 1)],
    ["last bit changed", flipped(bytes.length - 1)],
    ["one byte longer", Buffer.concat([bytes, Buffer.of(0)]).toString("base64")],
    ["one byte shorter", bytes.subarray(0, -1).toString("base64")],
    ["no bytes", ""],
    ["in URL alphabet", ...once(bytes.toString("base64url"), value)],
    ["in base64 twice", Buffer.from(value).toString("base64")],
    ["in hex", bytes.toString("hex")],
    ["with a line break", `${value.slice(0, 4)}\n${value.slice(4)}`],
    ["with rubbish behind", `${value}!`],
    ["with rubbish inside", `${value.slice(0, 4)}!${value.slice(4)}`],
    ["a number", 1],
  ].flatMap(([what, ...replacement]) => (replacement.length === 0 ? [] : [[String(what), replacement[0]] as const]));
}

const once = (changed: string, value: string) => (changed === value ? [] : [changed]);

function textsFor(value: string): readonly (readonly [string, unknown])[] {
  const changes: readonly (readonly [string, unknown])[] = [
    ["another text", `x${value}`],
    ["longer", `${value}x`],
    ["longer by a line", `${value}\n`],
    ["no text", ""],
    ["in capitals", value.toUpperCase()],
    ["last character gone", value.slice(0, -1)],
    ["with CR", value.replaceAll("\n", "\r\n")],
    ["a number", 7],
  ];
  return changes.filter(([, changed]) => changed !== value);
}

function isBase64(value: string): boolean {
  return value.length >= 8 && value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value);
}

function* pathsIn(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value))
    yield* pathsIn(member, [...path, Array.isArray(value) ? Number(name) : name]);
}

/** What stands at a path. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inside, name) => (inside as Tree | undefined)?.[name], value);
}

/** A copy with another value in one place. */
export function withValue(value: Json, path: Path, replacement: unknown): Json {
  const copy = structuredClone(value);
  (valueAt(copy, path.slice(0, -1)) as Tree)[path.at(-1) ?? ""] = replacement;
  return copy;
}

function without(value: Json, path: Path): Json {
  const copy = structuredClone(value);
  const parent = valueAt(copy, path.slice(0, -1));
  const name = path.at(-1) ?? "";
  if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else delete (parent as Tree)[name];
  return copy;
}

/** The text with a member there twice, first with a wrong value. */
function twice(value: Json, path: Path): string {
  const name = JSON.stringify(path.at(-1));
  const marked = JSON.stringify(withValue(value, path, "\u0001MARK"));
  return marked.replace(
    `${name}:"\\u0001MARK"`,
    () => `${name}:"wrong",${name}:${JSON.stringify(valueAt(value, path))}`,
  );
}
