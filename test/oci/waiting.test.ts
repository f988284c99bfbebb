import { describe, expect, test } from "vitest";
import { createSlots, raceSignal, sleep } from "../../src/oci/waiting.ts";

const reached = { code: "DEADLINE_EXCEEDED" };

describe("waiting", () => {
  test("ends when the time is up, and the work goes on for others", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const impatient = raceSignal(promise, AbortSignal.timeout(10), "a test");
    const patient = raceSignal(promise, undefined, "a test");
    await expect(impatient).rejects.toMatchObject(reached);
    resolve("done");
    expect(await patient).toBe("done");
    await expect(raceSignal(promise, AbortSignal.abort(), "a test")).rejects.toMatchObject(reached);
  });

  test("in sleep ends, too", async () => {
    await expect(sleep(60_000, AbortSignal.timeout(10), "a test")).rejects.toMatchObject(reached);
    await sleep(1, undefined, "a test");
  });
});

describe("places", () => {
  test("are given out in the order of asking, so many at once", async () => {
    const slots = createSlots(2);
    const order: number[] = [];
    const take = async (id: number) => {
      const giveBack = await slots.take("host", undefined);
      order.push(id);
      return giveBack;
    };
    const first = await take(1);
    const second = await take(2);
    const waiting = [take(3), take(4)];
    await sleep(5, undefined, "a test");
    expect(order).toEqual([1, 2]);
    second();
    (await waiting[0])?.();
    await waiting[1];
    expect(order).toEqual([1, 2, 3, 4]);
    first();
  });

  test("of one host are not those of another", async () => {
    const slots = createSlots(1);
    await slots.take("a", undefined);
    await slots.take("b", undefined);
  });

  test("that somebody stopped waiting for go to the next", async () => {
    const slots = createSlots(1);
    const giveBack = await slots.take("host", undefined);
    const controller = new AbortController();
    const gone = slots.take("host", controller.signal);
    const next = slots.take("host", undefined);
    controller.abort();
    await expect(gone).rejects.toMatchObject(reached);
    giveBack();
    (await next)();
    // Stopping in the moment of the turn does not lose the place.
    const again = await slots.take("host", undefined);
    const late = new AbortController();
    const both = slots.take("host", late.signal);
    again();
    late.abort();
    await both.then(
      (release) => release(),
      () => {},
    );
    (await slots.take("host", undefined))();
  });
});
