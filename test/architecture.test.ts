import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { errorCodes } from "../src/errors.ts";

const root = join(import.meta.dirname, "..");

/** Layers from left to right; a file imports from its own folder or from layers to its left. */
const layers: readonly (readonly string[])[] = [
  ["src/errors.ts"],
  ["src/crypto/"],
  ["src/oci/"],
  ["src/keys/", "src/witness/", "src/trust/"],
  ["src/cluster/"],
  ["src/formats/"],
  ["src/claims/"],
  ["src/policy/"],
  ["src/evidence/"],
  ["src/judging/"],
  ["src/judge.ts"],
  ["src/verify.ts"],
  ["src/verify-attestations.ts"],
  ["src/attach.ts"],
  ["src/replace.ts"],
  ["src/attached/"],
  ["src/copy/"],
  [
    "src/sign.ts",
    "src/attest.ts",
    "src/blob.ts",
    "src/verify-blob.ts",
    "src/copy.ts",
    "src/audit.ts",
    "src/clean.ts",
    "src/tree.ts",
    "src/inspect.ts",
    "src/workload.ts",
  ],
  ["src/refresh.ts", "src/freeze.ts"],
  ["src/policy-tools/", "src/policy-objects/"],
  ["src/index.ts"],
  ["src/registry/", "webhook/"],
  ["src/cli/"],
];

const sources = [...filesBelow("src"), ...filesBelow("webhook")];

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`);
}

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** The code without comments, so that a comment may speak of what the code may not do. */
function codeOf(file: string): string {
  return textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "");
}

function layerOf(file: string): { readonly rank: number; readonly part: string } {
  for (const [rank, parts] of layers.entries()) {
    const part = parts.find(
      (candidate) => file === candidate || (candidate.endsWith("/") && file.startsWith(candidate)),
    );
    if (part !== undefined) return { rank, part };
  }
  throw new Error(`${file} belongs to no layer`);
}

function importsOf(file: string): string[] {
  const specifiers = [...codeOf(file).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1] ?? "");
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)));
}

describe("layers", () => {
  it("gives every file a layer", () => {
    for (const file of sources) expect(() => layerOf(file)).not.toThrow();
    expect(sources.length).toBeGreaterThan(20);
  });

  it.each(sources)("%s imports from its own folder or from the left", (file) => {
    const own = layerOf(file);
    for (const target of importsOf(file)) {
      const other = layerOf(target);
      if (own.part === other.part) continue;
      expect(other.rank, `${file} imports ${target}`).toBeLessThan(own.rank);
    }
  });

  it("lets the webhook see the public API only", () => {
    for (const file of filesBelow("webhook")) {
      const outside = importsOf(file).filter((target) => !target.startsWith("webhook/"));
      expect(new Set([...outside, "src/index.ts"]), file).toEqual(new Set(["src/index.ts"]));
    }
  });

  it("has an index that only re-exports", () => {
    const code = codeOf("src/index.ts").replace(/export\s+(?:type\s+)?\{[^}]*\}\s+from\s+"[^"]+";/g, "");
    expect(code.trim()).toBe("");
  });
});

describe("purity", () => {
  it("lets only formats/ make a proof", () => {
    const makers = sources.filter((file) => /\bproveSignature\b|\bas VerifiedSignature\b/.test(codeOf(file)));
    expect(makers.length).toBeGreaterThan(0);
    expect(makers.filter((file) => !file.startsWith("src/formats/"))).toEqual([]);
  });

  const pure = sources.filter(
    (file) => /^src\/(?:crypto|formats|policy)\//.test(file) && !/^src\/policy\/(?:load|watch)\.ts$/.test(file),
  );
  it.each(pure)("%s touches no network, file, clock or environment", (file) => {
    expect(codeOf(file)).not.toMatch(
      /node:(?:fs|http|https|net|tls|dns|child_process|process)\b|\bfetch\(|Date\.now|new Date\(\)|performance\.now|process\.|Math\.random/,
    );
  });

  it("keeps process.* in the entry points", () => {
    const entries = new Set(["src/cli/main.ts", "src/cli/start.ts"]);
    const users = sources.filter(
      (file) => !entries.has(file) && /(?<![\w."'/-])process\.(?!getBuiltin)/.test(codeOf(file)),
    );
    expect(users).toEqual([]);
  });
});

describe("words", () => {
  it("never hints at weakening a check", () => {
    const hints = Object.entries(errorCodes).map(([, { hint }]) => hint);
    const inCode = sources.flatMap((file) =>
      [...codeOf(file).matchAll(/hint:\s*(["'`][^\n]*)/g)].map((match) => `${file}: ${match[1]}`),
    );
    expect(
      [...hints, ...inCode].filter((hint) => /insecure|\bskip|disable|ignore|--force|allow-?all|no-verify/i.test(hint)),
    ).toEqual([]);
  });

  it("names in `unsafe` what weakens a check", () => {
    const loose = sources.flatMap((file) =>
      [...codeOf(file).matchAll(/rejectUnauthorized:\s*false|checkServerIdentity:/g)].map(
        (match) => `${file}: ${match[0]}`,
      ),
    );
    expect(loose).toEqual([]);
  });

  it("keeps every file within the size of a room", () => {
    const large = sources
      .map((file) => `${relative(".", file)}: ${textOf(file).split("\n").length}`)
      .filter((row) => Number(row.split(": ")[1]) > 300);
    expect(large.filter((row) => !row.startsWith("src/errors.ts"))).toEqual([]);
  });

  it.each(["src/verify.ts", "src/policy/evaluate.ts", "webhook/decide.ts"])(
    "%s opens with its numbered steps and stays short",
    (file) => {
      expect(textOf(file)).toMatch(/\* 1\. /);
      expect(textOf(file).split("\n").length).toBeLessThanOrEqual(120);
    },
  );
});
