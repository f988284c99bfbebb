import { describe, expect, it } from "vitest";
import { ageOptions, agesOf } from "../../src/cli/ages.ts";
import { defaultSettings } from "../../src/policy/settings.ts";

const defaults = Object.fromEntries(
  Object.entries(ageOptions).map(([name, option]) => [name, option.default]),
) as Parameters<typeof agesOf>[0];

describe("flags for the age of facts", () => {
  it("have the defaults of the settings", () => {
    expect(defaultSettings).toMatchObject(agesOf(defaults));
  });
  it("are durations", () => {
    expect(agesOf({ ...defaults, "tag-ttl": "1m30s" }).tagTtl).toBe(90_000);
    expect(() => agesOf({ ...defaults, "tag-ttl": "soon" })).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
