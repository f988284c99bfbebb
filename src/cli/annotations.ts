import { TrustError } from "../errors.ts";

/** The flag for annotations inside signatures. */
export const annotationOption = { short: "a", value: "KEY=VALUE", many: true } as const;

/** Parses `KEY=VALUE` flags. Throws `USAGE` for one without a key or a value, and for a key that comes twice. */
export function parseAnnotations(texts: readonly string[]): Readonly<Record<string, string>> {
  const annotations = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const key = text.slice(0, equals);
    if (equals < 1)
      throw new TrustError("USAGE", "an annotation is not KEY=VALUE", { expected: "KEY=VALUE", found: text });
    if (annotations.has(key)) throw new TrustError("USAGE", `the annotation ${key} is given twice`);
    annotations.set(key, text.slice(equals + 1));
  }
  return Object.fromEntries(annotations);
}
