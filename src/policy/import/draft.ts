import { RE2JS } from "re2js";
import type { Path, SourceDocument } from "../document.ts";
import { parseImageGlob } from "../glob.ts";

/** Something of a source that no native policy can say, and what the result does instead: never less. */
export interface Loss {
  /** `file:line:column`. */
  readonly place: string;
  readonly what: string;
  readonly instead: string;
}

/** A native document that is being made. */
export interface Draft {
  readonly kind: "ClusterTrustPolicy" | "TrustPolicy" | "TrustRoot";
  readonly name: string;
  readonly namespace?: string;
  /** JSON. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** Comments, each above the key of `spec` that its path leads to. */
  readonly notes?: readonly Note[];
  /** Where in the source it comes from. */
  readonly from: string;
}

/** One line to be read beside what was made. */
export interface Note {
  readonly path: Path;
  readonly text: string;
}

/** Images of a native policy. */
export interface NativeImages {
  readonly images: readonly { readonly glob: string; readonly tags?: readonly string[] }[];
  readonly exclude?: readonly string[];
}

/** Takes down what is lost while a document is converted. */
export interface Ledger {
  readonly losses: Loss[];
  lose(path: Path, what: string, instead: string): void;
  /** The loss of every field of those that is written at the path. */
  loseFields(path: Path, fields: Readonly<Record<string, string>>): void;
}

export function openLedger(document: SourceDocument): Ledger {
  const losses: Loss[] = [];
  const lose = (path: Path, what: string, instead: string) => {
    const place = path.length === 0 ? document.placeOf([]) : document.placeOfKey(path);
    losses.push({ place, what, instead });
  };
  return {
    losses,
    lose,
    loseFields(path, fields) {
      for (const [field, instead] of Object.entries(fields))
        if (valueAt(document.value, [...path, field]) !== undefined)
          lose([...path, field], `${field} has no equivalent`, instead);
    },
  };
}

export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    root,
  );
}

/** A name that an object of Kubernetes may have. */
export function objectNameOf(...parts: readonly (string | number)[]): string {
  const text = parts
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .replace(/[.-]*\.[.-]*/g, ".")
    .replace(/^[.-]+|[.-]+$/g, "")
    .slice(0, 200)
    .replace(/[.-]+$/, "");
  return text === "" ? "imported" : text;
}

/** A name that an authority or requirement may have. */
export function wordOf(text: string): string {
  const word = text.replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, "-").slice(0, 200);
  return word === "" ? "unnamed" : word;
}

/** An authority that refuses everything, and says why. */
export function refusing(why: string): object {
  return { name: "refused", static: { action: "fail", message: `no equivalent: ${why}`.slice(0, 500) } };
}

/** A glob in the form that native policies take, or nothing where none means the same. */
export function nativeGlob(text: string): string | undefined {
  try {
    return parseImageGlob(text);
  } catch {
    return undefined;
  }
}

/**
 * The expression that matches, as a whole, what `expression` matches anywhere; nothing where it is none by itself: put between
 * others, half of one may become a whole.
 */
export function searching(expression: string): string | undefined {
  try {
    RE2JS.compile(expression);
  } catch {
    return undefined;
  }
  return `(?s:.*)(?:${expression})(?s:.*)`;
}

/** An expression that matches what a wildcard pattern does; `*` is any run of characters, `?` one. */
export function wildcardRegex(pattern: string): string {
  return [...pattern]
    .map((character) => {
      if (character === "*") return "(?s:.*)";
      if (character === "?") return "(?s:.)";
      return character.replace(/[\\^$.|+()[\]{}]/, "\\$&");
    })
    .join("");
}
