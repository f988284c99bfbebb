/** Everything that can differ between two tools: who wrote what, by which key, where. Each list is an axis of the matrix. */
export const tools = ["trust", "cosign 2.5", "cosign 3.1", "skopeo"] as const;
export type Tool = (typeof tools)[number];

export const kinds = ["signature", "attestation"] as const;
export type Kind = (typeof kinds)[number];

export const keyNames = ["P-256", "P-384", "P-521", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"] as const;
export type KeyName = (typeof keyNames)[number];

/** Where signatures and attestations hang, and what a person calls that. */
export const shapes = {
  "referrers-api": "Sigstore bundle, referrers API",
  "fallback-tag": "Sigstore bundle, fallback tag",
  tag: "`.sig` or `.att` tag",
  "oci-1-1": "`oci-1-1`, cosign's experiment with referrers",
  "separate-bundle": "Sigstore bundle in a separate repository",
  "separate-tag": "`.sig` or `.att` tag in a separate repository",
} as const;
export type Shape = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as readonly Shape[];

/** One signature or attestation to be written, and then read by every tool. */
export interface Artifact {
  readonly shape: Shape;
  readonly key: KeyName;
  readonly kind: Kind;
  readonly writer: Tool;
}

export interface Cell extends Artifact {
  readonly reader: Tool;
}

/** What a reader made of an artifact; `said` is what it wrote to its user. */
export interface Outcome {
  readonly accepted: boolean;
  readonly said: string;
}

export const isSeparate = (shape: Shape): boolean => shape.startsWith("separate");
export const isBundle = (shape: Shape): boolean =>
  shape === "referrers-api" || shape === "fallback-tag" || shape === "separate-bundle";

/** The items in groups by the text that `of` makes of each, in order of appearance. */
export function groupBy<T>(items: readonly T[], of: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(of(item));
    if (group === undefined) groups.set(of(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** Runs the jobs, at most so many at once. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  job: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const work = async () => {
    for (const item of queue) await job(item);
  };
  await Promise.all(Array.from({ length: width }, work));
}
