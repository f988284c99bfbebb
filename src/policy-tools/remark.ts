import type { Path } from "../policy/document.ts";
import type { TrustPolicy } from "../policy/policy.ts";
import type { Written } from "./written.ts";

/** What lints are called. A `note` is worth knowing; a `warning` is most likely a mistake. */
export const lintLevels = {
  "authority-never-used": "warning",
  "exception-expired": "warning",
  "exception-for-nothing": "warning",
  "exclude-for-nothing": "warning",
  "foreign-construct": "warning",
  "glob-never-matches": "warning",
  "glob-docker-hub": "note",
  "identity-never-matches": "warning",
  "image-excluded": "warning",
  "image-covered": "note",
  "key-expired": "warning",
  "key-expires-soon": "warning",
  "key-shared": "warning",
  "match-never-matches": "warning",
  "nobody-enforces": "note",
  "policy-shadowed": "warning",
  "predicate-type-unknown": "warning",
  "regex-matches-all": "warning",
  "regex-too-wide": "warning",
  "trust-root-stale": "warning",
} as const;

export type LintCode = keyof typeof lintLevels;

/** Something in a policy that loads and is likely not what was meant. */
export interface Lint {
  readonly code: LintCode;
  readonly level: "warning" | "note";
  /** `file:line:column`. */
  readonly place: string;
  /** Absent where it is about a document that is no policy by itself. */
  readonly policy?: string;
  readonly message: string;
  /** What to write instead. */
  readonly advice: string;
}

/** A lint before it has a level and a policy. */
export interface Remark {
  readonly code: LintCode;
  readonly place: string;
  readonly message: string;
  readonly advice: string;
}

/** A policy, how it is written, and what is known beside it. */
export interface Subject {
  readonly policy: TrustPolicy;
  readonly written: Written;
  /** The place of what stands at a path below `spec`. */
  at(...path: Path): string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whether a policy is of another language, which has rules of its own for names, expressions and counting. */
export function isForeign({ images }: TrustPolicy): boolean {
  return images.some(({ speaksOf }) => speaksOf !== undefined);
}

/** `NAMESPACE/NAME` for a policy of one namespace, as exceptions call it. */
export function nameOf({ namespace, name }: TrustPolicy): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
