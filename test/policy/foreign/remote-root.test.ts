import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { importPolicies } from "../../../src/policy/import/import.ts";
import { namedRoots, openingRoots } from "../../../src/policy/opening-roots.ts";
import { parsePolicies, parsePolicyDocument } from "../../../src/policy/parse.ts";
import { parseTrustRoot } from "../../../src/trust/parse.ts";
import { imagePolicy } from "../../support/foreign.ts";
import { createTufRepository } from "../../support/tuf-repository.ts";

const { root: rootJson } = createTufRepository();
const root = Buffer.from(rootJson).toString("base64");
const trustedRoot = readFileSync(join(import.meta.dirname, "../../fixtures/sigstore/trusted_root.json"));
const mirror = "https://tuf.example.com/repository";

const trustRoot = (remote: object, name = "acme") => ({
  apiVersion: "policy.sigstore.dev/v1alpha1",
  kind: "TrustRoot",
  metadata: { name },
  spec: { remote: { root, mirror, ...remote } },
});

async function read(remote: object, name?: string) {
  const { roots = [], warnings = [], problems } = await parsePolicyDocument(trustRoot(remote, name), {});
  return { tuf: roots[0]?.tuf, source: roots[0]?.root.source, warnings: warnings.map(({ what }) => what), problems };
}

describe("a TrustRoot with a remote repository", () => {
  it("is one to be fetched, that believes nothing until then", async () => {
    const { tuf, source, warnings, problems } = await read({});
    expect(problems).toEqual([]);
    expect(warnings).toEqual([]);
    expect(tuf).toMatchObject({ name: "acme", mirror, target: "trusted_root.json", root: rootJson });
    expect(tuf).not.toHaveProperty("targets");
    expect(source).toEqual({ kind: "unfetched", mirror });
  });

  it("may keep its targets elsewhere, and call the one with the root otherwise", async () => {
    const { tuf } = await read({ targets: "/static/keys/", trustedRootTarget: "staging/root.json" });
    expect(tuf).toMatchObject({ targets: "static/keys", target: "staging/root.json" });
  });

  it.each<[string, object, RegExp, string?]>([
    ["a mirror without HTTPS", { mirror: "http://tuf.example.com" }, /not reached over HTTPS/],
    ["a mirror on this machine", { mirror: "http://127.0.0.1:8080" }, /not reached over HTTPS/],
    ["a folder", { mirror: "file:///srv/tuf" }, /not reached over HTTPS/],
    ["no address", { mirror: "tuf" }, /not the address/],
    ["an address with a password", { mirror: "https://a:hunter2@tuf.example.com" }, /not the address/],
    ["targets that lead elsewhere", { targets: "../secrets" }, /not at a place that is read/],
    ["a target that leads elsewhere", { trustedRootTarget: "a/../../b" }, /not at a place that is read/],
    ["a root.json that is none", { root: Buffer.from('{"signatures":[]}').toString("base64") }, /not the root\.json/],
    ["a name too long for a file", {}, /kept under the name/, "a".repeat(200)],
  ])("with %s loads with a warning, and is fetched from nowhere", async (_, remote, words, name) => {
    const { tuf, warnings, problems } = await read(remote, name);
    expect(problems).toEqual([]);
    expect(tuf).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(words)]);
    expect(warnings.join()).not.toContain("hunter2");
  });

  it("called like a root that everybody knows is never taken for that one", async () => {
    const authority = { keyless: { trustRootRef: "github", identities: [{ issuer: "i", subject: "s" }] } };
    const policy = { ...imagePolicy({ authorities: [authority] }) };
    const text = [trustRoot({ mirror: "http://tuf.example.com" }, "github"), policy].map((one) => JSON.stringify(one));
    const known = parseTrustRoot(trustedRoot, { name: "github", source: { kind: "file" } });
    const parsed = await parsePolicies(text.join("\n---\n"), "all.yaml", {});
    const opening = openingRoots(namedRoots(parsed.roots ?? []), async () => known);
    expect((await opening.openForeignRoot?.("github"))?.source.kind).toBe("unfetched");
    expect((await opening.openRoot?.("github"))?.source.kind).toBe("file");
    expect(parsed.warnings?.[0]?.what).toContain("not reached over HTTPS");
  });

  it("is imported as a native one, where that can say it", async () => {
    const importOne = (remote: object) =>
      importPolicies([{ name: "root.yaml", text: JSON.stringify(trustRoot(remote)) }]);
    const { conversions, losses } = await importOne({});
    expect(losses).toEqual([]);
    expect(conversions.map(({ text }) => parse(text).spec)).toEqual([
      { tuf: { root, mirror, target: "trusted_root.json" } },
    ]);
    expect((await importOne({ targets: "keys" })).losses).toHaveLength(1);
    expect((await importOne({ mirror: "http://tuf.example.com" })).losses).toHaveLength(1);
  });
});
