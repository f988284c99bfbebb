import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { seededRoot } from "../../scripts/trust-roots.ts";
import { readSmallFile } from "../../src/keys/files.ts";
import { embeddedTrustRoot, knownRepositories } from "../../src/trust/embedded.ts";
import { openTrustRoot, trustRootFolder } from "../../src/trust/open.ts";
import { openSigningConfig } from "../../src/trust/open-signing-config.ts";
import { issuedAt, refuseStale, stalenessOf } from "../../src/trust/staleness.ts";
import { formatStoredRoot, isRootName, parseStoredRoot, type StoredRoot } from "../../src/trust/stored-root.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";

const fixtures = join(import.meta.dirname, "../fixtures/sigstore");
const trustedRoot = readFileSync(join(fixtures, "trusted_root.json"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "trust-open-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const context = { folder, resolvePath: (path: string) => resolve(fixtures, path), readFile: readSmallFile };
const day = 24 * 3_600_000;

function store(name: string, fetched: number, expires = fetched + day): void {
  const source = {
    kind: "tuf",
    mirror: "https://tuf.example.com",
    target: "trusted_root.json",
    fetched,
    expires,
  } as const;
  writeFileSync(join(folder, `${name}.json`), formatStoredRoot({ name, source, trustedRoot, metadata: {} }));
}

describe("the embedded root", () => {
  it("is the one of the installed package", () => {
    const file = join(import.meta.dirname, "../../src/trust/embedded/public-good.json");
    const { trustedRoot: embedded, expires } = JSON.parse(readFileSync(file, "utf8"));
    const seed = seededRoot();
    expect(embedded).toEqual(seed.trustedRoot);
    expect(expires).toBe(seed.tufRoot.signed.expires);
  });

  it("starts TUF with the root of the installed package", async () => {
    expect(JSON.parse((await knownRepositories["public-good"]?.tufRoot()) ?? "")).toEqual(seededRoot().tufRoot);
  });

  it("asks for a log entry or a timestamp, and an SCT", async () => {
    const root = await embeddedTrustRoot("public-good");
    expect(root?.require).toEqual({ log: 0, timestamp: 0, logOrTimestamp: 1, sct: 1 });
    expect(root?.skipped).toEqual([]);
    expect(root?.logs.map(({ baseUrl }) => baseUrl)).toContain("https://rekor.sigstore.dev");
  });
});

describe("openTrustRoot", () => {
  it("opens public-good without a network or a folder", async () => {
    const root = await openTrustRoot("public-good", { ...context, folder: undefined });
    expect(root.source.kind).toBe("embedded");
    expect(issuedAt(root)).toBe(Date.parse("2026-11-05T00:19:12Z"));
  });

  it("prefers what was fetched later than the program was made, and only that", async () => {
    store("public-good", Date.parse("2026-11-10T00:00:00Z"));
    expect((await openTrustRoot("public-good", context)).source.kind).toBe("tuf");
    store("public-good", Date.parse("2026-10-10T00:00:00Z"));
    expect((await openTrustRoot("public-good", context)).source.kind).toBe("embedded");
  });

  it("opens files, which do not expire", async () => {
    const root = await openTrustRoot("./trusted_root.json", context);
    expect(root).toMatchObject({ name: "./trusted_root.json", source: { kind: "file" } });
    expect(stalenessOf(root, Number.MAX_SAFE_INTEGER)).toBeUndefined();
    expect((await openTrustRoot("trusted_root.json", context)).revision).toBe(root.revision);
  });

  it.each([
    ["acme", "TRUST_ROOT_NOT_FOUND"],
    ["github", "TRUST_ROOT_NOT_FOUND"],
    ["ACME", "TRUST_ROOT_NOT_FOUND"],
    ["", "TRUST_ROOT_NOT_FOUND"],
    ["constructor", "TRUST_ROOT_NOT_FOUND"],
    ["./nothing.json", "FILE_NOT_FOUND"],
    ["./signing-config-r1.json", "TRUST_ROOT_INVALID"],
  ])("refuses %j with %s", async (name, code) => {
    expect(await codeOfRejection(openTrustRoot(name, context))).toBe(code);
  });

  it("never looks outside of its folder for a name", () => {
    for (const name of ["../acme", "a/b", "a\\b", "..", ".hidden", "", "a".repeat(64), "x.json"])
      expect(isRootName(name)).toBe(false);
  });

  it("refuses a stored file that is another root, or no root", async () => {
    store("one", 0);
    writeFileSync(join(folder, "two.json"), readFileSync(join(folder, "one.json")));
    writeFileSync(join(folder, "three.json"), trustedRoot);
    for (const name of ["two", "three"])
      expect(await codeOfRejection(openTrustRoot(name, context))).toBe("TRUST_ROOT_INVALID");
  });

  it("touches no network: nothing it imports knows TUF", () => {
    const sources = join(import.meta.dirname, "../../src/trust");
    const users = readdirSync(sources, { encoding: "utf8" }).filter(
      (name) =>
        name.endsWith(".ts") &&
        /from "\.\/(?:tuf|tuf-mirror|refresh)\.ts"/.test(readFileSync(join(sources, name), "utf8")),
    );
    expect(users.sort()).toEqual(["refresh.ts", "tuf.ts"]);
  });
});

describe("a root from TUF past its expiry", () => {
  const expires = Date.parse("2026-11-10T00:00:00Z");

  it("is stale, used for 30 days, then refused", async () => {
    store("old", expires - day, expires);
    const root = await openTrustRoot("old", context);
    expect(stalenessOf(root, expires)).toBeUndefined();
    expect(stalenessOf(root, expires + 1)).toMatchObject({
      since: expires,
      usable: true,
      error: { code: "ROOT_STALE" },
    });
    expect(codeOf(() => refuseStale(root, expires + 30 * day))).toBeUndefined();
    expect(codeOf(() => refuseStale(root, expires + 30 * day + 1))).toBe("ROOT_STALE");
    expect(codeOf(() => refuseStale(root, expires + 1, 0))).toBe("ROOT_STALE");
  });

  it("goes for the embedded one, too", async () => {
    const root = await embeddedTrustRoot("public-good");
    if (root === undefined) throw new Error("no root");
    expect(codeOf(() => refuseStale(root, Date.parse("2027-04-22T00:00:00Z")))).toBeUndefined();
    expect(codeOf(() => refuseStale(root, Date.parse("2027-06-01T00:00:00Z")))).toBe("ROOT_STALE");
  });
});

describe("a stored root", () => {
  it.each<StoredRoot>([
    { name: "a", source: { kind: "file", added: 1000 }, trustedRoot: "{}", require: { log: true } },
    {
      name: "b",
      source: { kind: "tuf", mirror: "file:///srv", target: "t", fetched: 1000, expires: 2000 },
      trustedRoot: "{}",
      signingConfig: "{}",
      metadata: { "root.json": "{}", "registry.npmjs.org%2Fkeys.json": "x" },
    },
  ])("is read as it was written", (stored) => {
    expect(parseStoredRoot(Buffer.from(formatStoredRoot(stored)), stored.name)).toEqual(stored);
  });

  it("has no metadata that would be written elsewhere", () => {
    const source = { kind: "file", added: 0 } as const;
    const text = formatStoredRoot({ name: "a", source, trustedRoot: "", metadata: { "../root.json": "" } });
    expect(codeOf(() => parseStoredRoot(Buffer.from(text), "a"))).toBe("TRUST_ROOT_INVALID");
  });
});

describe("openSigningConfig", () => {
  it("opens what came with the root, and nothing where nothing came", async () => {
    const source = { kind: "tuf", mirror: "https://t.example", target: "t", fetched: 0, expires: 0 } as const;
    const write = (name: string, signingConfig?: string) =>
      writeFileSync(
        join(folder, `${name}.json`),
        formatStoredRoot({ name, source, trustedRoot, ...(signingConfig === undefined ? {} : { signingConfig }) }),
      );
    write("services", readFileSync(join(fixtures, "signing-config-r2.json"), "utf8"));
    write("none");
    write("bad", "{}");
    const config = await openSigningConfig("services", context);
    expect(config?.services.log.map(({ apiVersion }) => apiVersion)).toEqual([2]);
    for (const name of ["none", "missing", "public-good", "./trusted_root.json"])
      expect(await openSigningConfig(name, context)).toBeUndefined();
    expect(await codeOfRejection(openSigningConfig("bad", context))).toBe("SIGNING_CONFIG_INVALID");
  });
});

describe("trustRootFolder", () => {
  it("is below the folder for settings", () => {
    expect(trustRootFolder({ XDG_CONFIG_HOME: "/etc/me" }, "/home/me")).toBe("/etc/me/imagetrust/trust-roots");
    expect(trustRootFolder({}, "/home/me")).toBe("/home/me/.config/imagetrust/trust-roots");
  });
});
