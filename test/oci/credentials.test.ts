import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { credentialsInAuths, loadCredentials } from "../../src/oci/credentials.ts";
import { tempDir } from "../support/process.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("credentials");
});
afterEach(() => folder.cleanup());

const path = (file: string) => join(folder.path, file);
const auth = (user: string, password: string) => ({ auth: Buffer.from(`${user}:${password}`).toString("base64") });

function write(file: string, content: unknown): string {
  mkdirSync(dirname(path(file)), { recursive: true });
  writeFileSync(path(file), typeof content === "string" ? content : JSON.stringify(content));
  return path(file);
}

/** A helper that answers with a shell script; its calls are written to `NAME.calls`. */
function writeHelper(name: string, script: string): void {
  const file = write(
    `bin/docker-credential-${name}`,
    `#!/bin/sh\necho "$1 $(cat)" >> ${path(`${name}.calls`)}\n${script}\n`,
  );
  chmodSync(file, 0o755);
}

const env = () => ({ DOCKER_CONFIG: path("docker"), PATH: `${path("bin")}:${process.env["PATH"]}` });
const load = (more: Record<string, string> = {}) =>
  loadCredentials({ env: { ...env(), ...more }, homeDir: path("home") });
const bob = { username: "bob", password: "secret" };

describe("Docker's config.json", () => {
  test("gives the credential of exactly that host and port", async () => {
    write("docker/config.json", {
      auths: {
        "registry.example.com": auth("bob", "secret"),
        "registry.example.com:5000": auth("other", "x"),
        "sub.registry.example.com": auth("sub", "x"),
      },
    });
    const source = load();
    expect(await source.credentialsFor("registry.example.com")).toEqual(bob);
    expect(await source.credentialsFor("registry.example.com:5000")).toEqual({ username: "other", password: "x" });
    for (const host of [
      "example.com",
      "registry.example.com:5001",
      "registry.example.com.evil.net",
      "x.registry.example.com",
    ])
      expect(await source.credentialsFor(host)).toBeUndefined();
  });

  test.each([
    ["https://registry.example.com"],
    ["https://registry.example.com/"],
    ["http://registry.example.com/v1/"],
    ["https://registry.example.com/v2/"],
    ["registry.example.com:443"],
    ["Registry.Example.com"],
  ])("may spell the host %s", async (key) => {
    write("docker/config.json", { auths: { [key]: auth("bob", "secret") } });
    expect(await load().credentialsFor("registry.example.com")).toEqual(bob);
  });

  test.each([["https://index.docker.io/v1/"], ["docker.io"], ["index.docker.io"], ["registry-1.docker.io"]])(
    "may call Docker Hub %s",
    async (key) => {
      write("docker/config.json", { auths: { [key]: auth("bob", "secret") } });
      expect(await load().credentialsFor("docker.io")).toEqual(bob);
    },
  );

  test("may hold identity tokens, registry tokens and colons in passwords", async () => {
    write("docker/config.json", {
      auths: {
        "a.example.com": { ...auth("bob", "se:cr:et"), identitytoken: "id" },
        "b.example.com": { registrytoken: "rt" },
        "c.example.com": auth("<token>", "id"),
        "d.example.com": { username: "bob", password: "secret" },
        "e.example.com": {},
        "f.example.com": auth("bob", "secret\0\0"),
      },
    });
    const source = load();
    expect(await source.credentialsFor("a.example.com")).toEqual({
      username: "bob",
      password: "se:cr:et",
      identityToken: "id",
    });
    expect(await source.credentialsFor("b.example.com")).toEqual({ registryToken: "rt" });
    expect(await source.credentialsFor("c.example.com")).toEqual({ identityToken: "id" });
    expect(await source.credentialsFor("d.example.com")).toEqual(bob);
    expect(await source.credentialsFor("e.example.com")).toBeUndefined();
    expect(await source.credentialsFor("f.example.com")).toEqual(bob);
  });

  test.each([
    ["no JSON", '{"auths": {"registry.example.com": {"auth": "supersecret'],
    ["a list", "[]"],
    ["an entry that is no object", { auths: { "registry.example.com": "supersecret" } }],
    [
      "an auth without a colon",
      { auths: { "registry.example.com": { auth: Buffer.from("supersecret").toString("base64") } } },
    ],
    ["more than a megabyte", `{"auths":{},"x":"${"y".repeat(2 ** 20)}"}`],
  ])("with %s is refused without showing what is in it", async (_what, content) => {
    write("docker/config.json", content);
    const error = await load()
      .credentialsFor("registry.example.com")
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "CREDENTIALS_INVALID", category: "config" });
    expect(String(error) + JSON.stringify(error)).not.toMatch(/supersecret|c3VwZXJzZWNyZXQ/);
  });

  test("is not read before somebody asks, and once", async () => {
    const source = load();
    const file = write("docker/config.json", { auths: { "registry.example.com": auth("bob", "secret") } });
    expect(await source.credentialsFor("registry.example.com")).toEqual(bob);
    writeFileSync(file, "changed");
    expect(await source.credentialsFor("registry.example.com")).toEqual(bob);
  });

  test("that is empty or not there holds nothing", async () => {
    expect(await load().credentialsFor("registry.example.com")).toBeUndefined();
    write("docker/config.json", "\n");
    expect(await load().credentialsFor("registry.example.com")).toBeUndefined();
  });
});

describe("files", () => {
  test("count in the order: named by a variable, Docker's, Podman's", async () => {
    const config = (user: string) => ({ auths: { "registry.example.com": auth(user, "x") } });
    const places: [string, string][] = [
      ["home/.config/containers/auth.json", "podman-home"],
      ["run/containers/auth.json", "podman-run"],
      ["home/.docker/config.json", "docker-home"],
      ["auth.json", "podman-named"],
    ];
    const variables = { PATH: "", XDG_RUNTIME_DIR: path("run"), REGISTRY_AUTH_FILE: path("auth.json") };
    for (const [file, user] of places) {
      write(file, config(user));
      const source = loadCredentials({ env: variables, homeDir: path("home") });
      expect(await source.credentialsFor("registry.example.com")).toEqual({ username: user, password: "x" });
    }
    write("docker/config.json", config("docker-named"));
    const named = loadCredentials({ env: { ...variables, DOCKER_CONFIG: path("docker") }, homeDir: path("home") });
    expect((await named.credentialsFor("registry.example.com"))?.username).toBe("docker-named");
  });

  test("that know nothing of a registry leave it to the next", async () => {
    write("docker/config.json", { auths: { "other.example.com": auth("other", "x") } });
    write("auth.json", { auths: { "registry.example.com": auth("bob", "secret") } });
    expect(await load({ REGISTRY_AUTH_FILE: path("auth.json") }).credentialsFor("registry.example.com")).toEqual(bob);
  });

  test("of Podman may name paths, of which the longest counts", async () => {
    write("auth.json", {
      auths: {
        "registry.example.com": auth("all", "x"),
        "registry.example.com/team": auth("team", "x"),
        "registry.example.com/team/app": auth("app", "x"),
      },
    });
    const source = load({ REGISTRY_AUTH_FILE: path("auth.json") });
    const userFor = async (repository?: string) =>
      (await source.credentialsFor("registry.example.com", repository))?.username;
    expect(await userFor("team/app")).toBe("app");
    expect(await userFor("team/app/deep")).toBe("app");
    expect(await userFor("team/application")).toBe("team");
    expect(await userFor("teamwork")).toBe("all");
    expect(await userFor()).toBe("all");
  });

  test("come after what was given explicitly", async () => {
    write("docker/config.json", { auths: { "registry.example.com": auth("file", "x") } });
    const explicit = { "registry.example.com": bob };
    const source = loadCredentials({ env: env(), homeDir: path("home"), explicit });
    expect(await source.credentialsFor("registry.example.com")).toEqual(bob);
    expect(await source.credentialsFor("constructor")).toBeUndefined();
  });
});

describe("helpers", () => {
  const answer = 'echo \'{"ServerURL":"x","Username":"bob","Secret":"secret"}\'';

  test("of the registry come before the store, and that before auths", async () => {
    writeHelper("own", 'echo \'{"Username":"own","Secret":"x"}\'');
    writeHelper("all", 'echo \'{"Username":"all","Secret":"x"}\'');
    write("docker/config.json", {
      auths: { "registry.example.com": auth("auths", "x"), "other.example.com": auth("auths", "x") },
      credHelpers: { "registry.example.com": "own" },
      credsStore: "all",
    });
    expect((await load().credentialsFor("registry.example.com"))?.username).toBe("own");
    expect((await load().credentialsFor("other.example.com"))?.username).toBe("all");
  });

  test("are asked with the host alone, Docker Hub by its old name", async () => {
    writeHelper("all", answer);
    write("docker/config.json", { credsStore: "all" });
    const source = load();
    expect(await source.credentialsFor("registry.example.com:5000")).toEqual(bob);
    await source.credentialsFor("docker.io");
    const { readFileSync } = await import("node:fs");
    expect(readFileSync(path("all.calls"), "utf8")).toBe(
      "get registry.example.com:5000\nget https://index.docker.io/v1/\n",
    );
  });

  test("may give an identity token", async () => {
    writeHelper("all", 'echo \'{"Username":"<token>","Secret":"id"}\'');
    write("docker/config.json", { credsStore: "all" });
    expect(await load().credentialsFor("registry.example.com")).toEqual({ identityToken: "id" });
  });

  test("that know nothing leave it to auths", async () => {
    writeHelper("all", "echo 'credentials not found in native keychain'; exit 1");
    write("docker/config.json", { credsStore: "all", auths: { "registry.example.com": auth("bob", "secret") } });
    expect(await load().credentialsFor("registry.example.com")).toEqual(bob);
    expect(await load().credentialsFor("other.example.com")).toBeUndefined();
  });

  test.each([
    ["fails", "echo supersecret; exit 1"],
    ["prints no JSON", "echo supersecret"],
    ["prints JSON of another kind", 'echo \'{"Username":5,"Secret":"supersecret"}\''],
    ["prints too much", "yes supersecret"],
    ["kills itself", "kill -9 $$"],
  ])("that %s are an error without what they printed", async (_what, script) => {
    writeHelper("all", script);
    write("docker/config.json", { credsStore: "all" });
    const error = await load()
      .credentialsFor("registry.example.com")
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "CREDENTIALS_INVALID",
      message: expect.stringContaining("docker-credential-all"),
    });
    expect(String(error) + JSON.stringify(error)).not.toContain("supersecret");
  });

  test("that are not installed are an error that names them", async () => {
    write("docker/config.json", { credsStore: "missing" });
    await expect(load().credentialsFor("registry.example.com")).rejects.toMatchObject({
      code: "CREDENTIALS_INVALID",
      hint: expect.stringContaining("docker-credential-missing"),
    });
  });

  test.each([["../evil"], ["a/b"], ["-x"], ["a b"], ["."], ["a;b"]])("named %j are never started", async (name) => {
    write("docker/config.json", { credsStore: name });
    await expect(load().credentialsFor("registry.example.com")).rejects.toMatchObject({ code: "CREDENTIALS_INVALID" });
  });
});

describe("a pull Secret", () => {
  test("gives what its auths hold and starts no helper", async () => {
    writeHelper("all", `touch ${path("started")}`);
    const source = credentialsInAuths("secret prod/pull", {
      auths: { "registry.example.com": auth("bob", "secret") },
      credsStore: "all",
      credHelpers: { "registry.example.com": "all" },
    });
    expect(await source.credentialsFor("registry.example.com", "app")).toEqual(bob);
    expect(await source.credentialsFor("other.example.com")).toBeUndefined();
    expect(existsSync(path("started"))).toBe(false);
  });

  test("that is something else holds nothing", async () => {
    for (const document of [undefined, null, [], "x", { auths: [] }])
      expect(await credentialsInAuths("it", document).credentialsFor("registry.example.com")).toBeUndefined();
  });
});
