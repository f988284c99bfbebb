import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eraseCredential, storeCredential } from "../../src/oci/credential-store.ts";
import { loadCredentials } from "../../src/oci/credentials.ts";
import { tempDir } from "../support/process.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("credential-store");
});
afterEach(() => folder.cleanup());

const places = () => ({ env: { PATH: `${folder.path}:${process.env["PATH"]}` }, homeDir: folder.path });
const file = () => join(folder.path, ".docker", "config.json");
const config = () => JSON.parse(readFileSync(file(), "utf8"));
const bob = { username: "bob", password: "secret" };

function writeConfig(content: unknown) {
  mkdirSync(join(folder.path, ".docker"), { recursive: true });
  writeFileSync(file(), JSON.stringify(content));
}

describe("storing a credential", () => {
  test("makes Docker's file, for the user alone, and it is found again", async () => {
    expect(await storeCredential(places(), "registry.example.com:5000", bob)).toEqual({ where: file(), plain: true });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(await loadCredentials(places()).credentialsFor("registry.example.com:5000")).toEqual(bob);
    expect(readdirSync(join(folder.path, ".docker"))).toEqual(["config.json"]);
  });

  test("leaves everything else in the file as it is, and makes it private", async () => {
    writeConfig({ psFormat: "x", auths: { other: { auth: "b3RoZXI6eA==" } }, proxies: { default: { noProxy: "y" } } });
    chmodSync(file(), 0o644);
    await storeCredential(places(), "docker.io", bob);
    expect(config()).toEqual({
      psFormat: "x",
      auths: { other: { auth: "b3RoZXI6eA==" }, "https://index.docker.io/v1/": { auth: "Ym9iOnNlY3JldA==" } },
      proxies: { default: { noProxy: "y" } },
    });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  test("replaces every other spelling of the registry", async () => {
    writeConfig({
      auths: { "https://registry.example.com/v1/": { auth: "b2xkOng=" }, "registry.example.com/path": {} },
    });
    await storeCredential(places(), "registry.example.com", bob);
    expect(Object.keys(config().auths)).toEqual(["registry.example.com/path", "registry.example.com"]);
  });

  test("keeps an identity token as one", async () => {
    await storeCredential(places(), "registry.example.com", { identityToken: "id" });
    expect(await loadCredentials(places()).credentialsFor("registry.example.com")).toEqual({ identityToken: "id" });
  });

  test("writes through a link", async () => {
    mkdirSync(join(folder.path, ".docker"));
    const real = join(folder.path, "dotfiles.json");
    writeFileSync(real, "{}");
    symlinkSync(real, file());
    await storeCredential(places(), "registry.example.com", bob);
    expect(lstatSync(file()).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(real, "utf8")).auths).toHaveProperty(["registry.example.com"]);
  });

  test("does not overwrite a file that it cannot read", async () => {
    mkdirSync(join(folder.path, ".docker"));
    writeFileSync(file(), "{ broken");
    await expect(storeCredential(places(), "registry.example.com", bob)).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
    });
    expect(readFileSync(file(), "utf8")).toBe("{ broken");
  });

  test("says where it cannot write", async () => {
    writeFileSync(join(folder.path, "occupied"), "");
    const env = { DOCKER_CONFIG: join(folder.path, "occupied", "docker") };
    await expect(storeCredential({ env, homeDir: folder.path }, "registry.example.com", bob)).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
  });
});

describe("with a helper", () => {
  function writeHelper(script: string) {
    writeFileSync(join(folder.path, "docker-credential-test"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    writeConfig({ credsStore: "test", auths: { "registry.example.com": {} } });
  }
  const kept = () => join(folder.path, "kept");

  test("the credential goes there and nowhere else", async () => {
    writeHelper(`test "$1" = store && cat > ${kept()}`);
    expect(await storeCredential(places(), "registry.example.com", bob)).toEqual({
      where: "docker-credential-test",
      plain: false,
    });
    expect(JSON.parse(readFileSync(kept(), "utf8"))).toEqual({
      ServerURL: "registry.example.com",
      Username: "bob",
      Secret: "secret",
    });
    expect(readFileSync(file(), "utf8")).not.toContain("Ym9i");
  });

  test("that fails nothing is kept in the clear", async () => {
    writeHelper("exit 3");
    await expect(storeCredential(places(), "registry.example.com", bob)).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
    });
    expect(config().auths).toEqual({ "registry.example.com": {} });
  });

  test("the credential is erased from it and from the file", async () => {
    writeHelper(`case "$1" in get) echo '{"Username":"bob","Secret":"x"}';; erase) cat > ${kept()};; esac`);
    expect(await eraseCredential(places(), "registry.example.com")).toBe(true);
    expect(readFileSync(kept(), "utf8")).toBe("registry.example.com");
    expect(config().auths).toEqual({});
  });
});

describe("erasing a credential", () => {
  test("removes every spelling of the registry and says whether there was one", async () => {
    writeConfig({ auths: { "https://index.docker.io/v1/": {}, "docker.io": {}, other: { auth: "b3RoZXI6eA==" } } });
    expect(await eraseCredential(places(), "docker.io")).toBe(true);
    expect(config()).toEqual({ auths: { other: { auth: "b3RoZXI6eA==" } } });
    expect(await eraseCredential(places(), "docker.io")).toBe(false);
  });

  test("makes no file", async () => {
    expect(await eraseCredential(places(), "docker.io")).toBe(false);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});
