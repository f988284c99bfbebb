import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { alone, createTurns, lockFile, openGuard } from "../../../src/registry/storage/locks.ts";
import { codeOf } from "../../support/errors.ts";
import { testFolder } from "../support/server.ts";

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("turns", () => {
  it("run one after the other for one key, at once for different keys, also after an error", async () => {
    const turns = createTurns();
    const order: string[] = [];
    const run = (key: string, name: string) =>
      turns(key, async () => {
        order.push(`${name} begins`);
        await soon();
        order.push(`${name} ends`);
        if (name === "bad") throw new Error("bad");
      });
    const results = await Promise.allSettled([run("k", "bad"), run("k", "one"), run("k", "two"), run("l", "other")]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled", "fulfilled"]);
    expect(order.filter((line) => !line.startsWith("other"))).toEqual([
      "bad begins",
      "bad ends",
      "one begins",
      "one ends",
      "two begins",
      "two ends",
    ]);
    expect(order.indexOf("other begins")).toBeLessThan(order.indexOf("bad ends"));
  });
});

describe("a lock on a file", () => {
  it("is held by one at a time", () => {
    const path = join(testFolder(), "lock");
    const first = lockFile(path, "it");
    expect(codeOf(() => lockFile(path, "it"))).toBe("CONFIG_INVALID");
    first.release();
    lockFile(path, "it").release();
  });
});

describe("the guard", () => {
  it("lets requests run together, and a collector only alone", async () => {
    const path = join(testFolder(), "lock");
    const guard = openGuard(path);
    const order: string[] = [];
    const request = (name: string) =>
      guard.during(async () => {
        order.push(`${name} begins`);
        await guard.during(soon);
        order.push(`${name} ends`);
      });
    const requests = [request("one"), request("two")];
    const collector = alone(path, async () => {
      order.push("collector begins");
      await soon();
      order.push("collector ends");
    });
    await Promise.all(requests);
    await collector;
    await request("three");
    guard.release();
    expect(order.slice(0, 2)).toEqual(["one begins", "two begins"]);
    expect(order.slice(4)).toEqual(["collector begins", "collector ends", "three begins", "three ends"]);
  });

  it("is free again after an error", async () => {
    const path = join(testFolder(), "lock");
    const guard = openGuard(path);
    await expect(guard.during(() => Promise.reject(new Error("bad")))).rejects.toThrow("bad");
    await alone(path, soon);
    guard.release();
  });
});
