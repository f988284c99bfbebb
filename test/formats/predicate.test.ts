import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { makePredicate } from "../../src/formats/predicate.ts";
import { predicateKindOf, predicateKinds } from "../../src/formats/predicate-types.ts";
import { statedTime } from "../../src/formats/stated-time.ts";
import { codeOf } from "../support/errors.ts";

const now = Date.UTC(2026, 0, 1);
const make = (type: string, content: unknown) =>
  makePredicate(
    predicateKindOf(type),
    Buffer.from(typeof content === "string" ? content : JSON.stringify(content)),
    now,
  );

/** The message of the refusal; empty where it is accepted. */
async function problem(type: string, content: unknown): Promise<string> {
  try {
    await make(type, content);
    return "";
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    expect(error.code).toBe("PREDICATE_INVALID");
    return error.message;
  }
}

const good: Readonly<Record<string, object>> = {
  slsaprovenance: { builder: { id: "b" }, buildType: "t", extra: 1 },
  slsaprovenance02: { builder: { id: "b" }, buildType: "t", materials: [{ uri: "a" }] },
  slsaprovenance1: {
    buildDefinition: { buildType: "t", externalParameters: {} },
    runDetails: { builder: { id: "b" } },
  },
  link: { _type: "link", name: "n", command: [], materials: {}, products: {}, byproducts: {}, environment: {} },
  spdxjson: { spdxVersion: "SPDX-2.3", SPDXID: "SPDXRef-DOCUMENT", name: "n", packages: [{ SPDXID: "a", name: "b" }] },
  cyclonedx: { bomFormat: "CycloneDX", specVersion: "1.6", components: [{ type: "library", name: "a" }] },
  vuln: { scanner: { uri: "u" }, metadata: {} },
  openvex: {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "i",
    author: "a",
    timestamp: "t",
    version: 1,
    statements: [{ vulnerability: { name: "CVE" }, status: "fixed" }],
  },
};

describe("predicates of known types", () => {
  it.each(Object.entries(good))("%s: a good one goes in byte for byte", async (type, document) => {
    const text = `${JSON.stringify(document, undefined, 1).replace("{", "{ ")}`;
    expect((await make(type, ` \n${text}\n`)).toString()).toBe(text);
    expect(await problem(predicateKindOf(type).uri, document)).toBe("");
  });

  it.each<[string, (document: Record<string, unknown>) => unknown, string]>([
    ["slsaprovenance", ({ builder, ...rest }) => rest, "builder"],
    ["slsaprovenance", (d) => ({ ...d, builder: {} }), "builder.id"],
    ["slsaprovenance1", ({ runDetails, ...rest }) => rest, "runDetails"],
    ["slsaprovenance1", (d) => ({ ...d, buildDefinition: { buildType: 1 } }), "buildDefinition.buildType"],
    ["link", ({ materials, ...rest }) => rest, "materials"],
    ["spdxjson", ({ spdxVersion, ...rest }) => rest, "spdxVersion"],
    ["spdxjson", (d) => ({ ...d, packages: [{ SPDXID: "a", name: "b" }, { SPDXID: "a" }] }), "packages[1].name"],
    ["spdxjson", (d) => ({ ...d, packages: {} }), "packages"],
    ["cyclonedx", (d) => ({ ...d, bomFormat: "SPDX" }), "bomFormat"],
    ["cyclonedx", (d) => ({ ...d, components: [{ name: "a" }] }), "components[0].type"],
    ["vuln", ({ scanner, ...rest }) => rest, "scanner"],
    ["openvex", (d) => ({ ...d, statements: [{ vulnerability: "x", status: "good" }] }), "statements[0].status"],
    ["openvex", ({ statements, ...rest }) => rest, "statements"],
  ])("%s: what is wrong is named by its path", async (type, change, path) => {
    expect(await problem(type, change({ ...good[type] }))).toContain(`: ${path}: `);
  });

  it("all that is wrong is told, up to a limit, in a document of any size", async () => {
    const packages = Array.from({ length: 50_000 }, () => ({ SPDXID: "a" }));
    const told = (await problem("spdxjson", { SPDXID: "a", packages })).split("; ");
    expect(told.slice(1, 3).map((line) => line.split(":")[0])).toEqual(["name", "packages[0].name"]);
    expect(told.length).toBeLessThan(25);
  });

  it.each(["", "[]", "1", "{", '{"a":1,"a":2}', "\ufeff{}", '"text"'])(
    "%j is no predicate of any type",
    async (text) => {
      for (const type of ["https://example.com/x/v1", "cyclonedx"]) expect(await problem(type, text)).not.toBe("");
    },
  );
});

describe("predicates of other types", () => {
  it("custom wraps the text of the file, with the time, as cosign does", async () => {
    expect((await make("custom", '{"a": 1}\n')).toString()).toBe(
      '{"Data":"{\\"a\\": 1}\\n","Timestamp":"2026-01-01T00:00:00Z"}',
    );
  });
  it("spdx is the text of the file", async () => {
    expect((await make("spdx", "SPDXVersion: SPDX-2.3\n")).toString()).toBe('"SPDXVersion: SPDX-2.3\\n"');
  });
  it("of one's own are any object", async () => {
    expect((await make("https://example.com/x/v1", '{"n":1.50}')).toString()).toBe('{"n":1.50}');
  });
  it.each(["", "sbom", "not a uri", "https://", "__proto__", "toString"])("%j is no type", (type) => {
    expect(codeOf(() => predicateKindOf(type))).toBe("USAGE");
  });
  it("have the URIs of cosign", () => {
    expect(Object.fromEntries(Object.entries(predicateKinds).map(([name, { uri }]) => [name, uri]))).toEqual({
      slsaprovenance: "https://slsa.dev/provenance/v0.2",
      slsaprovenance02: "https://slsa.dev/provenance/v0.2",
      slsaprovenance1: "https://slsa.dev/provenance/v1",
      link: "https://in-toto.io/Link/v1",
      spdx: "https://spdx.dev/Document",
      spdxjson: "https://spdx.dev/Document",
      cyclonedx: "https://cyclonedx.org/bom",
      vuln: "https://cosign.sigstore.dev/attestation/vuln/v1",
      openvex: "https://openvex.dev/ns",
      custom: "https://cosign.sigstore.dev/attestation/v1",
    });
  });
});

describe("the time that a predicate states", () => {
  it.each<[object | string, number | undefined]>([
    [{ Timestamp: "2026-01-01T00:00:00Z" }, now],
    [{ runDetails: { metadata: { finishedOn: "2026-01-01T00:00:00Z", startedOn: "2025-01-01T00:00:00Z" } } }, now],
    [{ metadata: { timestamp: "2026-01-01T00:00:00Z" } }, now],
    [{ creationInfo: { created: "2026-01-01T00:00:00Z" } }, now],
    [{ timestamp: "yesterday" }, undefined],
    [{ metadata: 5 }, undefined],
    ["text", undefined],
  ])("%j", (predicate, time) => {
    expect(statedTime(Buffer.from(JSON.stringify(predicate)))).toBe(time);
  });
});
