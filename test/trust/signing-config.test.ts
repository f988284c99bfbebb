import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseSigningConfig, selectServices, signingConfigMediaType } from "../../src/trust/signing-config.ts";
import { errorOf } from "../support/errors.ts";

const fixtures = join(import.meta.dirname, "../fixtures/sigstore");
const fixture = (name: string) => readFileSync(join(fixtures, name));
const now = Date.parse("2026-11-20T00:00:00Z");

function bytesOf(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function service(fields: object = {}): object {
  const validFor = { start: "2024-01-01T00:00:00Z" };
  return { url: "https://log.example.com", majorApiVersion: 1, validFor, operator: "example.com", ...fields };
}

function logs(services: readonly object[], rekorTlogConfig: object = { selector: "ALL" }) {
  return parseSigningConfig(bytesOf({ mediaType: signingConfigMediaType, rekorTlogUrls: services, rekorTlogConfig }));
}

const urls = (services: readonly { readonly url: string }[]) => services.map(({ url }) => url);

describe("parseSigningConfig", () => {
  it.each(["k-r1", "k-r2", "r1", "r1notsa", "r2"])("reads what cosign reads: %s", (name) => {
    const config = parseSigningConfig(fixture(`signing-config-${name}.json`));
    const chosen = selectServices(config, "log", now, [1, 2]);
    expect(urls(chosen)).toEqual(["http://127.0.0.1:5600"]);
    expect(chosen[0]?.apiVersion).toBe(name.includes("r2") ? 2 : 1);
    const hasTsa = name === "r1" || name === "r2";
    expect(urls(selectServices(config, "timestamp", now, [1]))).toEqual(
      hasTsa ? ["http://127.0.0.1:5600/api/v1/timestamp"] : [],
    );
  });

  it("uses no service that an empty configuration does not name", () => {
    const config = parseSigningConfig(fixture("signing-config-empty.json"));
    for (const kind of ["ca", "oidc", "log", "timestamp"] as const)
      expect(selectServices(config, kind, now, [1, 2])).toEqual([]);
  });

  it.each([
    ["text that is no JSON", Buffer.from("{")],
    ["a list", bytesOf([])],
    ["no media type", bytesOf({})],
    ["version 0.1", bytesOf({ mediaType: "application/vnd.dev.sigstore.signingconfig.v0.1+json" })],
    ["an unknown field", bytesOf({ mediaType: signingConfigMediaType, extra: 1 })],
    ["a field twice", Buffer.from(`{"mediaType":"${signingConfigMediaType}","caUrls":[],"caUrls":[]}`)],
    ["more than 4 MiB", Buffer.alloc(4 * 1024 * 1024 + 1, " ")],
  ])("refuses %s", (_, document) => {
    expect(errorOf(() => parseSigningConfig(document)).code).toBe("SIGNING_CONFIG_INVALID");
  });

  it.each([
    ["a URL of another scheme", service({ url: "file:///etc/passwd" })],
    ["a URL with a password", service({ url: "https://me:secret@log.example.com" })],
    ["no URL", service({ url: undefined })],
    ["no start", service({ validFor: {} })],
    ["no validity", service({ validFor: undefined })],
    ["a start that is no time", service({ validFor: { start: "2024-02-30T00:00:00Z" } })],
    ["an end before the start", service({ validFor: { start: "2024-01-01T00:00:00Z", end: "2023-01-01T00:00:00Z" } })],
    ["a version that is no number", service({ majorApiVersion: "1" })],
    ["an unknown field", service({ extra: true })],
  ])("refuses a service with %s, and says where", (_, bad) => {
    const error = errorOf(() => logs([service(), bad]));
    expect(error.code).toBe("SIGNING_CONFIG_INVALID");
    expect(error.message).toContain("rekorTlogUrls[1]");
    expect(JSON.stringify([error.message, error.found, error.expected])).not.toContain("secret");
  });

  it.each([
    ["no selector", {}],
    ["an undefined selector", { selector: "SERVICE_SELECTOR_UNDEFINED" }],
    ["EXACT without a count", { selector: "EXACT" }],
    ["EXACT 0", { selector: "EXACT", count: 0 }],
  ])("refuses %s", (_, config) => {
    expect(errorOf(() => logs([service()], config)).code).toBe("SIGNING_CONFIG_INVALID");
  });
});

describe("selectServices", () => {
  const two = service({ url: "https://two.example.com", operator: "two.example.com" });

  it("takes the highest version that the caller knows", () => {
    const config = logs([service({ url: "https://v3.example.com", majorApiVersion: 3 }), service(), two]);
    expect(urls(selectServices(config, "log", now, [1, 2]))).toEqual([
      "https://log.example.com",
      "https://two.example.com",
    ]);
  });

  it("never mixes versions", () => {
    const config = logs([service({ majorApiVersion: 2 }), two]);
    expect(urls(selectServices(config, "log", now, [1, 2]))).toEqual(["https://log.example.com"]);
  });

  it("takes the one of an operator that started last", () => {
    const newer = service({ url: "https://new.example.com", validFor: { start: "2025-01-01T00:00:00Z" } });
    expect(urls(selectServices(logs([service(), newer]), "log", now, [1]))).toEqual(["https://new.example.com"]);
  });

  it("holds the window at both ends, and not beyond", () => {
    const config = logs([service({ validFor: { start: "2026-01-01T00:00:00Z", end: "2026-02-01T00:00:00Z" } })]);
    const at = (time: string) => selectServices(config, "log", Date.parse(time), [1]).length;
    expect([at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")]).toEqual([1, 1]);
    for (const time of ["2025-12-31T23:59:59.999Z", "2026-02-01T00:00:00.001Z"])
      expect(errorOf(() => at(time)).code).toBe("SIGNING_CONFIG_INVALID");
  });

  it("counts distinct operators for EXACT", () => {
    const config = { selector: "EXACT", count: 2 };
    expect(selectServices(logs([service(), two], config), "log", now, [1])).toHaveLength(2);
    const error = errorOf(() => selectServices(logs([service(), service()], config), "log", now, [1]));
    expect(error.code).toBe("SIGNING_CONFIG_INVALID");
    expect(error.found).toBe("1 of 2");
  });

  it("takes one for ANY", () => {
    expect(selectServices(logs([service(), two], { selector: "ANY" }), "log", now, [1])).toHaveLength(1);
  });

  it("refuses when the version of none is known, also for ALL", () => {
    expect(errorOf(() => selectServices(logs([service()]), "log", now, [2])).code).toBe("SIGNING_CONFIG_INVALID");
  });

  it("takes one authority for certificates, the newest", () => {
    const validFor = { start: "2025-01-01T00:00:00Z" };
    const caUrls = [service({ url: "https://old.example.com" }), service({ url: "https://new.example.com", validFor })];
    const config = parseSigningConfig(bytesOf({ mediaType: signingConfigMediaType, caUrls }));
    expect(urls(selectServices(config, "ca", now, [1]))).toEqual(["https://new.example.com"]);
  });
});
