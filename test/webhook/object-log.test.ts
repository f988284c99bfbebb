import { describe, expect, it } from "vitest";
import type { StatedObject } from "../../src/index.ts";
import { policyResources } from "../../src/policy-objects/kinds.ts";
import { createObjectLog } from "../../webhook/object-log.ts";

const [, resource] = policyResources;

function stated(namespace: string, generation: number, usable = false): StatedObject {
  if (resource === undefined) throw new Error("no kind");
  const metadata = { name: "p", namespace, uid: `uid-${namespace}`, resourceVersion: `${generation}`, generation };
  const object = { apiVersion: "imagetrust.dev/v1alpha1", kind: "TrustPolicy", name: "p", namespace };
  const state = { object, usable, problems: usable ? [] : ["broken"], warnings: [] };
  return { resource, object: { apiVersion: object.apiVersion, kind: object.kind, metadata }, state };
}

function open() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const write = (level: string) => (_: object, message: string) => void lines.push(`${level} ${message.split(":")[0]}`);
  const log = { info: write("info"), warn: write("warn"), error: write("error") };
  return { lines, clock, tell: createObjectLog(log, () => clock.now) };
}

describe("what is logged of policy objects", () => {
  it("is once that one cannot be used, and that it is well again", () => {
    const { lines, tell } = open();
    for (const usable of [false, false, true, true]) tell([stated("a", 1, usable)]);
    expect(lines).toEqual(["error policy object unusable", "info policy object in force again"]);
  });

  it("is bounded for each namespace by itself, in each minute", () => {
    const { lines, clock, tell } = open();
    for (let generation = 0; generation < 500; generation++) tell([stated("a", generation)]);
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe("warn policy objects change again and again");
    tell([stated("a", 500), stated("b", 1)]);
    expect(lines).toHaveLength(102);
    clock.now += 60_000;
    tell([stated("a", 501), stated("b", 1)]);
    expect(lines).toHaveLength(103);
  });
});
