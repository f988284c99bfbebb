import { describe, expect, test } from "vitest";
import { createTransferProgress, formatBytes } from "../../src/cli/transfer-progress.ts";
import { digestOf } from "../../src/crypto/digest.ts";

const digest = digestOf(Buffer.from("x"));

function progress(
  more: {
    readonly isTerminal?: boolean;
    readonly env?: Record<string, string>;
    readonly quiet?: boolean;
    readonly output?: "table" | "json";
  } = {},
) {
  const { isTerminal = true, env = {}, quiet = false, output = "table" } = more;
  const clock = { now: 1_000 };
  let written = "";
  const write = (text: string | Uint8Array) => {
    written += text;
  };
  const io = { env, stderr: { write, isTerminal, hasColors: false }, now: () => clock.now } as never;
  return { line: createTransferProgress({ io, output, quiet }, "copying"), clock, text: () => written };
}

describe("the progress of a transfer", () => {
  test("shows items and bytes on one line that goes away", () => {
    const { line, clock, text } = progress();
    line.begin({ items: 3, bytes: 2_000_000 });
    line.bytes(500_000);
    expect(text()).toContain("copying 0/3  500 kB of 2.00 MB");
    clock.now += 200;
    line.item({ digest, size: 1_000_000 }, 1_000_000);
    expect(text()).toContain(`copying 1/3  1.50 MB of 2.00 MB  ${digest.slice(0, 20)}`);
    line.clear();
    expect(text().endsWith("\r\u001b[2K")).toBe(true);
    const before = text();
    line.clear();
    expect(text()).toBe(before);
  });

  test("is written at most ten times a second, and never wider than a terminal", () => {
    const { line, clock, text } = progress();
    line.begin({ items: 1, bytes: 1e12 });
    for (let i = 0; i < 1_000; i++) {
      clock.now += 1;
      line.bytes(1e6);
    }
    const lines = text().split("\r\u001b[2K").slice(1);
    expect(lines.length).toBeLessThan(12);
    expect(lines.every((shown) => shown.length <= 78)).toBe(true);
  });

  test.each([
    ["without a terminal", { isTerminal: false }],
    ["in CI", { env: { CI: "true" } }],
    ["when quiet", { quiet: true }],
    ["with JSON", { output: "json" as const }],
  ])("is silent %s", (_when, more) => {
    const { line, text } = progress(more);
    line.begin({ items: 1, bytes: 1 });
    line.bytes(1);
    line.item({ digest, size: 1 }, 0);
    line.clear();
    expect(text()).toBe("");
  });
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.00 kB"],
  [12_345, "12.3 kB"],
  [999_499, "999 kB"],
  [999_999, "1.00 MB"],
  [524_288_000, "524 MB"],
  [5e15, "5.00e+3 TB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
