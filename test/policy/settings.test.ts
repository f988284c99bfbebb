import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultSettings, parseDuration } from "../../src/policy/settings.ts";

describe("defaultSettings", () => {
  it("denies what no policy matches, what is not pinned, and every registry that needs leave", () => {
    expect(defaultSettings).toMatchObject({ noMatch: "deny", unpinned: "deny", digest: "pin", pin: "all" });
    expect(defaultSettings.allowRegistry).toEqual([]);
    expect(defaultSettings.staleTag).toBe(0);
  });

  it("has the durations of the documentation", () => {
    expect(defaultSettings).toMatchObject({
      evidenceTtl: parseDuration("60s"),
      staleEvidence: parseDuration("24h"),
      tagTtl: parseDuration("10s"),
      denyRelist: parseDuration("1s"),
    });
    expect(defaultSettings.limits.timeout).toBe(parseDuration("10s"));
  });
});

describe("parseDuration", () => {
  it.each([
    ["0", 0],
    ["0s", 0],
    ["500ms", 500],
    ["60s", 60_000],
    ["1m", 60_000],
    ["24h", 86_400_000],
    ["30d", 2_592_000_000],
    ["1h30m", 5_400_000],
    ["1d2h3m4s5ms", 93_784_005],
  ])("reads %s as %d ms", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each([
    "",
    "60",
    "s",
    "-1s",
    "+1s",
    "1.5h",
    "1s1h",
    "1s1s",
    "1 s",
    " 1s",
    "1s ",
    "1w",
    "1y",
    "1H",
    "1e3s",
    "9999999999d",
  ])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("answers with a safe whole number, or refuses", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{1,10}(ms|s|m|h|d)$/), (text) => {
        let value = 0;
        try {
          value = parseDuration(text);
        } catch {
          return;
        }
        expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }),
    );
  });
});
