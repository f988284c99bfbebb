import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { userAdd, userRemove } from "../../src/registry/htpasswd.ts";
import { type Client, clientOf, manifestText, pushBlob, pushImage, putManifest, sha } from "./support/client.ts";
import { configFile, stage, testFolder, usersFile } from "./support/server.ts";

const rights = [
  { repositories: ["**"], users: ["admin"], allow: ["pull", "push", "delete"] },
  { repositories: ["team/**"], users: ["dev"], allow: ["pull", "push"] },
  { repositories: ["team/*"], users: ["robot"], allow: ["push"] },
  { repositories: ["public/**"], users: ["anonymous"], allow: ["pull"] },
  { repositories: ["shared"], users: ["*"], allow: ["pull"] },
];

async function guarded() {
  const folder = testFolder();
  const users = usersFile(folder, "admin", "dev", "robot");
  const server = await stage({ folder, users, config: configFile(folder, { rights }) });
  return { ...server, admin: server.as("admin"), users };
}

describe("without users", () => {
  it("everybody on loopback has all rights, and one line says so", async () => {
    const { client, lines } = await stage();
    const digest = await pushImage(client, "a", "v1");
    expect((await client("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    const warnings = lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 40);
    expect(warnings).toHaveLength(1);
  });

  it("a credential does no harm", async () => {
    const { as } = await stage();
    expect((await as("somebody")("GET", "/v2/")).status).toBe(200);
  });
});

describe("with users and no rules", () => {
  it("users may do everything, others nothing", async () => {
    const folder = testFolder();
    const { client, as } = await stage({ folder, users: usersFile(folder, "dev") });
    const digest = await pushImage(as("dev"), "a", "v1");
    expect((await as("dev")("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    for (const path of ["/v2/", "/v2/_catalog", "/v2/a/manifests/v1", "/v2/a/tags/list", `/v2/a/referrers/${digest}`]) {
      const answer = await client("GET", path);
      expect([path, answer.status, answer.code]).toEqual([path, 401, "UNAUTHORIZED"]);
      expect(answer.headers["www-authenticate"]).toMatch(/^Basic realm="/);
    }
    expect((await client("POST", "/v2/a/blobs/uploads/")).status).toBe(401);
  });
});

describe("rights", () => {
  const requests = [
    ["pull a manifest", "GET", "manifests/v1", "pull"],
    ["look for a manifest", "HEAD", "manifests/v1", "look"],
    ["push a manifest", "PUT", "manifests/v1", "push"],
    ["delete a manifest", "DELETE", "manifests/v1", "delete"],
    ["pull a blob", "GET", `blobs/${sha("{}")}`, "pull"],
    ["look for a blob", "HEAD", `blobs/${sha("{}")}`, "look"],
    ["delete a blob", "DELETE", `blobs/${sha("x")}`, "delete"],
    ["begin an upload", "POST", "blobs/uploads/", "push"],
    ["ask for an upload", "GET", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"],
    ["go on with an upload", "PATCH", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"],
    ["end an upload", "PUT", `blobs/uploads/00000000-0000-4000-8000-000000000000?digest=${sha("x")}`, "push"],
    ["cancel an upload", "DELETE", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"],
    ["list tags", "GET", "tags/list", "pull"],
    ["list referrers", "GET", `referrers/${sha("x")}`, "pull"],
  ] as const;
  const holders: readonly (readonly [string, string, string])[] = [
    // who, where, with which rights
    ["admin", "team/app", "pull push delete look"],
    ["dev", "team/app", "pull push look"],
    ["dev", "team/deep/er", "pull push look"],
    ["dev", "team", ""],
    ["dev", "public/x", "pull look"],
    ["dev", "private", ""],
    ["dev", "shared", "pull look"],
    ["robot", "team/app", "push look"],
    ["robot", "team/deep/er", ""],
    ["anonymous", "public/x", "pull look"],
    ["anonymous", "shared", ""],
    ["anonymous", "team/app", ""],
  ];

  /** What came out otherwise than the rights say. */
  async function surprises(asker: Client, where: string, held: readonly string[], refusal: number, code: string) {
    const found: string[] = [];
    for (const [name, method, path, right] of requests) {
      // A deletion that is allowed would change what the next one finds.
      if (right === "delete" && held.includes(right)) continue;
      const answer = await asker(method, `/v2/${where}/${path}`, method === "PUT" ? { body: manifestText() } : {});
      const allowed = answer.status !== 401 && answer.status !== 403;
      const asItShould = held.includes(right)
        ? allowed
        : answer.status === refusal && [code, undefined].includes(answer.code);
      if (!asItShould) found.push(`${name} in ${where}: ${answer.status} ${answer.code}`);
    }
    return found;
  }

  it("are exactly those of the rules, for every kind of request", async () => {
    const { client, as, admin } = await guarded();
    for (const repository of new Set(holders.map(([, where]) => where))) {
      await pushBlob(admin, repository, "{}");
      await putManifest(admin, repository, "v1", manifestText());
    }
    for (const [who, where, held] of holders) {
      const [asker, status, code] =
        who === "anonymous" ? ([client, 401, "UNAUTHORIZED"] as const) : ([as(who), 403, "DENIED"] as const);
      expect([who, await surprises(asker, where, held.split(" "), status, code)]).toEqual([who, []]);
    }
    expect((await admin("DELETE", "/v2/private/manifests/v1")).status).toBe(202);
  });

  it("do not tell what exists to who may not see it", async () => {
    const { client, as, admin } = await guarded();
    await pushImage(admin, "private", "v1");
    for (const repository of ["private", "absent"]) {
      const path = `/v2/${repository}/manifests/v1`;
      const [known, unknown] = [await as("dev")("GET", path), await client("GET", path)];
      expect([known.status, unknown.status]).toEqual([403, 401]);
    }
  });

  it("to pull are needed for the source of a mount, which is not told either", async () => {
    const { as, admin } = await guarded();
    const digest = await pushBlob(admin, "private", "secret layer");
    await pushBlob(admin, "public/x", "open layer");
    await pushImage(admin, "private", "v1");
    const dev = as("dev");
    const from = (source: string, wanted: string) =>
      dev("POST", `/v2/team/app/blobs/uploads/?mount=${wanted}&from=${source}`);
    expect((await from("private", digest)).status).toBe(202);
    expect((await dev("POST", `/v2/team/app/blobs/uploads/?mount=${digest}`)).status).toBe(202);
    expect((await dev("HEAD", `/v2/team/app/blobs/${digest}`)).status).toBe(404);
    expect((await from("public/x", sha("open layer"))).status).toBe(201);
    expect(
      (await as("robot")("POST", `/v2/team/app/blobs/uploads/?mount=${sha("open layer")}&from=team/other`)).status,
    ).toBe(202);
  });

  it("decide what the catalog shows", async () => {
    const { client, as, admin } = await guarded();
    for (const name of ["private", "public/x", "shared", "team/app"]) await pushImage(admin, name);
    const seen = async (asker: Client) =>
      ((await asker("GET", "/v2/_catalog")).json() as { repositories: string[] }).repositories;
    expect(await seen(admin)).toEqual(["private", "public/x", "shared", "team/app"]);
    expect(await seen(as("dev"))).toEqual(["public/x", "shared", "team/app"]);
    expect(await seen(as("robot"))).toEqual(["public/x", "shared"]);
    expect(await seen(client)).toEqual(["public/x"]);
  });

  it("make clients sign in at once, and take an empty credential for none", async () => {
    const { client, url } = await guarded();
    expect((await client("GET", "/v2/")).status).toBe(401);
    const empty = clientOf(url, { user: ":" });
    expect((await empty("GET", "/v2/public/x/manifests/v1")).status).toBe(404);
    expect((await empty("GET", "/v2/team/app/manifests/v1")).status).toBe(401);
  });
});

describe("signing in", () => {
  it.each([
    ["a wrong password", "dev:wrong"],
    ["no password", "dev:"],
    ["an unknown name", "nobody:secret of nobody"],
    ["a name with other case", "Dev:secret of dev"],
    ["a password beyond what bcrypt reads", `dev:secret of dev${"x".repeat(80)}`],
  ])("fails with %s", async (_name, user) => {
    const { url } = await guarded();
    const answer = await clientOf(url, { user })("GET", "/v2/public/x/tags/list");
    expect([answer.status, answer.code]).toEqual([401, "UNAUTHORIZED"]);
  });

  it.each(["Bearer x", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest username=dev"])(
    "fails with %s",
    async (authorization) => {
      const { client } = await guarded();
      expect((await client("GET", "/v2/", { headers: { authorization } })).status).toBe(401);
    },
  );

  it("is refused for a while after many wrong passwords, but not for who signed in before", async () => {
    const { as, url } = await guarded();
    expect((await as("dev")("GET", "/v2/")).status).toBe(200);
    const guess = clientOf(url, { user: "admin:guess" });
    const statuses: number[] = [];
    for (let i = 0; i < 35; i++) statuses.push((await guess("GET", "/v2/")).status);
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401));
    expect(statuses.slice(30)).toEqual(Array(5).fill(429));
    expect((await as("dev")("GET", "/v2/")).status).toBe(200);
    expect((await as("robot")("GET", "/v2/")).status).toBe(429);
  });

  it("follows the users file: added, changed and removed users count within two seconds", async () => {
    const { url, users, as } = await guarded();
    const eve = clientOf(url, { user: "eve:first" });
    expect((await eve("GET", "/v2/")).status).toBe(401);
    expect(await userAdd(users, "eve", "first")).toBe("added");
    await expect.poll(async () => (await eve("GET", "/v2/")).status, { timeout: 5000, interval: 200 }).toBe(200);
    expect(await userAdd(users, "eve", "second")).toBe("changed");
    await expect.poll(async () => (await eve("GET", "/v2/")).status, { timeout: 5000, interval: 200 }).toBe(401);
    expect((await as("dev")("GET", "/v2/")).status).toBe(200);
    expect(await userRemove(users, "dev")).toBe(true);
    await expect.poll(async () => (await as("dev")("GET", "/v2/")).status, { timeout: 5000, interval: 200 }).toBe(401);
  });

  it("fails for a user whose line is broken later on, and for nobody else", async () => {
    const { users, as, lines } = await guarded();
    const { readFileSync } = await import("node:fs");
    writeFileSync(users, readFileSync(users, "utf8").replace(/^dev:.*$/m, "dev:plain"));
    await expect.poll(async () => (await as("dev")("GET", "/v2/")).status, { timeout: 5000, interval: 200 }).toBe(401);
    expect((await as("robot")("GET", "/v2/")).status).toBe(200);
    expect(lines.some((line) => line.includes("users:2"))).toBe(true);
  });

  it("leaves no credential in the log", async () => {
    const { as, url, lines } = await guarded();
    await pushImage(as("admin"), "a", "v1");
    await clientOf(url, { user: "typed-password-as-name:x" })("GET", "/v2/");
    const log = lines.join("");
    expect(log).toContain('"user":"admin"');
    expect(log).not.toMatch(/secret of|typed-password|Basic |authorization|\$2[aby]\$/i);
  });
});

describe("web pages of others", () => {
  it("cannot push, whoever is signed in", async () => {
    for (const server of [await stage(), await guarded()]) {
      const post = (headers: Record<string, string>) => server.as("admin")("POST", "/v2/a/blobs/uploads/", { headers });
      expect((await post({ origin: "https://evil.example" })).code).toBe("DENIED");
      expect((await post({ origin: "null" })).status).toBe(403);
      expect((await post({ origin: "http://127.0.0.1:1" })).status).toBe(403);
      expect((await post({ origin: `http://${server.host}` })).status).toBe(202);
    }
  });

  it("cannot make another name stand for loopback where there are no users", async () => {
    const { client } = await stage();
    const get = async (host: string) => (await client("GET", "/v2/", { headers: { host } })).status;
    for (const host of [
      "evil.example",
      "evil.example:5000",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "10.0.0.1",
      "[::2]:5000",
      "x@127.0.0.1",
    ])
      expect([host, await get(host)]).toEqual([host, 403]);
    for (const host of [
      "localhost",
      "LOCALHOST:5000",
      "127.0.0.1:1",
      "127.1.2.3",
      "[::1]:5000",
      "registry.localhost:80",
    ])
      expect([host, await get(host)]).toEqual([host, 200]);
  });
});
