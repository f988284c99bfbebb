import { describe, expect, it } from "vitest";
import { stalenessOf } from "../../src/trust/staleness.ts";
import { decodeTufRoot, parsePolicyMirror, toTufSource, unfetchedRoot } from "../../src/trust/tuf-source.ts";
import { createTufRepository } from "../support/tuf-repository.ts";

const { root } = createTufRepository();
const base64 = (text: string) => Buffer.from(text).toString("base64");
const changed = (change: (signed: Record<string, unknown>) => object) => {
  const { signed, signatures } = JSON.parse(root);
  return JSON.stringify({ signed: change(signed), signatures });
};

describe("the root.json of a policy", () => {
  it("is read out of base64, broken into lines or not", () => {
    expect(decodeTufRoot(base64(root))).toBe(root);
    expect(decodeTufRoot(`${base64(root).replace(/.{64}/g, "$&\n")}\n`)).toBe(root);
  });

  it.each([
    ["no base64", "%%%"],
    ["no JSON", base64("root")],
    ["no object", base64("[]")],
    ["unsigned", base64(JSON.stringify({ ...JSON.parse(root), signatures: [] }))],
    ["of another role", base64(changed((signed) => ({ ...signed, _type: "targets" })))],
    ["without keys", base64(changed(({ keys: _, ...signed }) => signed))],
    ["without a version", base64(changed((signed) => ({ ...signed, version: "1" })))],
    ["without a role", base64(changed((signed) => ({ ...signed, roles: {} })))],
    ["with a threshold of none", base64(root.replaceAll('"threshold":1', '"threshold":0'))],
  ])("is refused where it is %s", (_, text) => {
    expect(() => decodeTufRoot(text)).toThrow(expect.objectContaining({ code: "TRUST_ROOT_INVALID" }));
  });
});

describe("the mirror of a policy", () => {
  it.each([
    "https://tuf.example.com/a",
    "file:///srv/tuf",
    "http://127.0.0.1:80",
    "http://localhost:8080",
    "http://[::1]",
  ])("may be %s", (mirror) => {
    expect(parsePolicyMirror(mirror).protocol).toMatch(/^(https?|file):$/);
  });

  it.each([
    "http://tuf.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "https://user:pass@tuf.example.com",
    "https://tuf.example.com?a",
    "ftp://tuf.example.com",
    "tuf.example.com",
  ])("is never %s", (mirror) => {
    expect(() => parsePolicyMirror(mirror)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

describe("a root that was never fetched", () => {
  const source = { name: "acme", mirror: "https://m", target: "trusted_root.json", root };

  it("is known by its root.json and target, not by its mirror", () => {
    const { id } = toTufSource(source);
    expect(toTufSource({ ...source, mirror: "https://other" }).id).toBe(id);
    const others = [{ target: "a.json" }, { root: `${root} ` }, { name: "other" }];
    for (const other of others) expect(toTufSource({ ...source, ...other }).id).not.toBe(id);
  });

  it("can be used at no time", () => {
    for (const now of [0, Date.now()]) {
      const stale = stalenessOf(unfetchedRoot(toTufSource(source)), now);
      expect([stale?.usable, stale?.error.code, stale?.error.category]).toEqual([false, "ROOT_STALE", "unavailable"]);
    }
  });
});
