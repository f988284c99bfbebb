import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generatedPages } from "../../scripts/docs.ts";
import { errorCodes } from "../../src/errors.ts";

const root = join(import.meta.dirname, "../..");
const pages = await generatedPages();

describe("generated pages", () => {
  test.each([...pages.keys()])("%s is what the code says (else run: npm run docs)", (path) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(pages.get(path));
  });

  test("docs/errors.md has a section for each code, and for nothing else", () => {
    const sections = [...(pages.get("docs/errors.md") ?? "").matchAll(/^## (\w+)$/gm)].map(([, code]) => code);
    expect(sections).toEqual(Object.keys(errorCodes));
  });
});
