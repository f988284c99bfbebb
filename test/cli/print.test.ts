import { describe, expect, test } from "vitest";
import { formatFinding, formatFindings, formatTable, plain, printError, toJson } from "../../src/cli/print.ts";
import { asTrustError, TrustError } from "../../src/errors.ts";

const hostile = "a\u001b[31mred\u001b[0m\u0007\u009b2Jb\nc\u202ed\ttab";
const output = { write: () => undefined, isTerminal: false, hasColors: false };
const colored = { ...output, hasColors: true };

test("text from outside cannot steer a terminal", () => {
  for (const text of [plain(hostile), formatTable(["A"], [[hostile]]).split("\n")[1] ?? ""]) {
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(text).toContain("ared");
  }
  const json = toJson({ text: hostile });
  expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  expect(JSON.parse(json)).toEqual({ text: hostile });
});

describe("a table", () => {
  test("has columns as wide as their widest cell and no spaces at the ends of lines", () => {
    const table = formatTable(
      ["IMAGE", "OUTCOME"],
      [
        ["registry/app:1", "allow"],
        ["x", "deny"],
      ],
    );
    expect(table).toBe("IMAGE           OUTCOME\nregistry/app:1  allow\nx               deny\n");
  });

  test("without rows is nothing", () => {
    expect(formatTable(["IMAGE"], [])).toBe("");
  });
});

test("a finding says code, message, expected, found and hint, each on its line, and leaves out what there is not", () => {
  const finding = { code: "DIGEST_MISMATCH", category: "untrusted", message: "other", hint: "look" } as const;
  expect(formatFinding(output, { ...finding, expected: "a", found: "b", authority: "ci" })).toBe(
    "DIGEST_MISMATCH: ci: other\n  expected a\n  found    b\n  hint     look\n",
  );
  expect(formatFinding(output, finding, "  ")).toBe("  DIGEST_MISMATCH: other\n    hint     look\n");
  expect(formatFinding(colored, finding)).toContain("\u001b[");
});

test("a hint that findings in a row share is said once, after the last of them", () => {
  const finding = { code: "NO_SIGNATURE", category: "untrusted", message: "m" } as const;
  const text = formatFindings(
    output,
    [
      { ...finding, found: "x", hint: "a" },
      { ...finding, found: "y", hint: "a" },
      { ...finding, hint: "b" },
    ],
    "",
  );
  expect(text.match(/hint .*/g)).toEqual(["hint     a", "hint     b"]);
  expect(text.match(/NO_SIGNATURE/g)).toHaveLength(3);
});

test("findings that say the same are said once, with their number", () => {
  const finding = { code: "NO_SIGNATURE", category: "untrusted", message: "m", hint: "a" } as const;
  const text = formatFindings(output, [finding, { ...finding, evidence: "sha256:1" }, { ...finding, found: "x" }], "");
  expect(text).toBe("NO_SIGNATURE: m (2 times)\nNO_SIGNATURE: m\n  found    x\n  hint     a\n");
});

describe("an error", () => {
  const printed = (error: TrustError, wishes: { json: boolean; verbose: boolean }) => {
    let text = "";
    printError(
      {
        stderr: {
          ...output,
          write: (more) => {
            text += more;
          },
        },
      },
      error,
      wishes,
    );
    return text;
  };
  const error = new TrustError("KEY_INVALID", "no key", { cause: new Error("deep\u001b[2J down") });

  test("about files of the user's own has a line for each problem, and any other one line", () => {
    const wishes = { json: false, verbose: false };
    const own = printed(new TrustError("POLICY_INVALID", "2 problems\na.yaml:1:1: x\na.yaml:2:1: y"), wishes);
    expect(own.split("\n").slice(1, 3)).toEqual(["  a.yaml:1:1: x", "  a.yaml:2:1: y"]);
    const other = printed(new TrustError("REGISTRY_UNREACHABLE", "no\n✔ allow, trusted"), wishes);
    expect(other.split("\n")[0]).toContain("no ✔ allow, trusted");
  });

  test("is one line of JSON where JSON is wanted", () => {
    const text = printed(error, { json: true, verbose: true });
    expect(text.split("\n")).toHaveLength(2);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "KEY_INVALID", category: "config", message: "no key" } });
  });

  test("that is a bug shows where it is only when asked, and its text never otherwise", () => {
    const bug = asTrustError(new Error("secret inside"));
    expect(printed(bug, { json: false, verbose: false })).not.toMatch(/secret inside|^\s+at /m);
    expect(printed(bug, { json: true, verbose: false })).not.toMatch(/secret inside/);
    expect(printed(bug, { json: false, verbose: true })).toMatch(/secret inside[\s\S]*print\.test\.ts/);
  });
});
