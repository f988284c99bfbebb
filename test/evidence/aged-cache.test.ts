import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { createAgedCache } from "../../src/evidence/aged-cache.ts";

interface Value {
  readonly n: number;
  readonly at: number;
}

function cacheAt(start = 0) {
  const clock = { now: start };
  const loads = { count: 0 };
  const get = createAgedCache<Value>({
    maxSize: 10,
    sizeCalculation: () => 1,
    ttl: 100,
    staleFor: 1000,
    now: () => clock.now,
    ageOf: (value) => value.at,
  });
  const load = async () => ({ n: ++loads.count, at: clock.now });
  return { clock, loads, get, load };
}

const outage = async (): Promise<Value> => {
  throw new TrustError("REGISTRY_UNREACHABLE", "down");
};

describe("a cache of answers with an age", () => {
  it("asks once while the answer is young enough for the caller", async () => {
    const { clock, get, load, loads } = cacheAt();
    await get("k", 100, load);
    clock.now = 50;
    expect((await get("k", 100, load)).value.n).toBe(1);
    expect((await get("k", 10, load)).value.n).toBe(2);
    clock.now = 151;
    expect((await get("k", 1000, load)).value.n).toBe(3);
    expect(loads.count).toBe(3);
  });

  it("makes one question of many at the same time, also of those that want a new answer", async () => {
    const { get, load, loads } = cacheAt();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => get("k", i % 2 === 0 ? 0 : 100, load)));
    expect(new Set(answers.map(({ value }) => value.n))).toEqual(new Set([1]));
    expect(loads.count).toBe(1);
  });

  it("lets an older answer stand in for an outage, says so, and stops after a while", async () => {
    const { clock, get, load } = cacheAt();
    await get("k", 100, load);
    clock.now = 500;
    expect(await get("k", 100, outage)).toMatchObject({
      value: { n: 1 },
      staleBecause: { code: "REGISTRY_UNREACHABLE" },
    });
    clock.now = 1101;
    await expect(get("k", 100, outage)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  it("never lets an older answer stand in for a refusal", async () => {
    const { clock, get, load } = cacheAt();
    await get("k", 100, load);
    clock.now = 500;
    const gone = async (): Promise<Value> => {
      throw new TrustError("IMAGE_NOT_FOUND", "gone");
    };
    await expect(get("k", 100, gone)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });

  it("gives an answer under way to those who wait for it, also where others need its room meanwhile", async () => {
    const { get } = cacheAt();
    const slow = Promise.withResolvers<Value>();
    const waiting = [get("slow", 100, () => slow.promise), get("slow", 0, () => slow.promise)];
    for (let n = 0; n < 30; n++) await get(`other ${n}`, 100, async () => ({ n, at: 0 }));
    slow.resolve({ n: 7, at: 0 });
    for (const { value } of await Promise.all(waiting)) expect(value.n).toBe(7);
  });

  it("tells the real failure where others needed the room meanwhile", async () => {
    const { get } = cacheAt();
    const slow = Promise.withResolvers<Value>();
    const waiting = get("slow", 100, () => slow.promise);
    for (let n = 0; n < 30; n++) await get(`other ${n}`, 100, async () => ({ n, at: 0 }));
    slow.reject(new TrustError("REGISTRY_UNREACHABLE", "down"));
    await expect(waiting).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  it("does not take an answer for young because the clock was set back", async () => {
    const { clock, get, load, loads } = cacheAt(10_000);
    await get("k", 100, load);
    clock.now = 5_000;
    expect((await get("k", 100, load)).value.n).toBe(2);
    expect(loads.count).toBe(2);
    clock.now = 4_000;
    await expect(get("k", 100, outage)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  it("never remembers a failure", async () => {
    const { get, load } = cacheAt();
    await expect(get("k", 100, outage)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(await get("k", 100, load)).toMatchObject({ value: { n: 1 } });
  });
});
