import { describe, expect, test } from "vitest";
import { networkError } from "../../src/oci/network-errors.ts";
import { defaultRetry, pauseAfter, type RetrySettings, retryAfter, retrying } from "../../src/oci/retry.ts";

const settings: RetrySettings = {
  ...defaultRetry,
  base: 1,
  maxPause: 2,
  now: () => Date.parse("2026-11-20T12:00:00Z"),
};
const about = { what: "a test" };
const broken = () => networkError(Object.assign(new Error("reset"), { code: "ECONNRESET" }), "host");

describe("a pause", () => {
  test.each([
    ["3", 3_000],
    ["0", 0],
    ["-5", 0],
    ["3600", 10_000],
    ["99999999999999999999", 10_000],
    ["Fri, 20 Nov 2026 12:00:04 GMT", 4_000],
    ["Fri, 20 Nov 2026 11:00:00 GMT", 0],
    ["Fri, 20 Nov 2099 12:00:00 GMT", 10_000],
    ["soon", 0],
    ["", 0],
  ])("for Retry-After %j is %i ms", (value, ms) => {
    expect(retryAfter({ headers: { "retry-after": value } }, settings)).toBe(ms);
  });

  test("grows, up to its limit, and is anything below that", () => {
    const at = (random: number) =>
      [1, 2, 3, 9].map((tries) => pauseAfter(tries, { ...defaultRetry, random: () => random }));
    expect(at(1)).toEqual([100, 200, 400, 3_000]);
    expect(at(0)).toEqual([0, 0, 0, 0]);
  });
});

describe("trying again", () => {
  test("ends with the first result", async () => {
    let tries = 0;
    const result = await retrying(settings, about, async () => {
      if (++tries < 3) throw broken();
      return { result: tries };
    });
    expect(result).toBe(3);
  });

  test("ends after so many tries, the last of which knows it", async () => {
    const lasts: boolean[] = [];
    await expect(
      retrying(settings, about, async (last) => {
        lasts.push(last);
        throw broken();
      }),
    ).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(lasts).toEqual([false, false, false, true]);
  });

  test("is not done for other errors, nor where nobody knows what arrived", async () => {
    let tries = 0;
    const fail = (error: unknown) => async () => {
      tries++;
      throw error;
    };
    await expect(retrying(settings, about, fail(new Error("bug")))).rejects.toThrow("bug");
    await expect(retrying(settings, { ...about, mendsBroken: false }, fail(broken()))).rejects.toMatchObject({
      category: "unavailable",
    });
    expect(tries).toBe(2);
  });
});
