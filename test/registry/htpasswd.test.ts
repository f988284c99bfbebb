import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareSync } from "bcryptjs";
import { describe, expect, it } from "vitest";
import { loadUsers, userAdd, userRemove } from "../../src/registry/htpasswd.ts";
import { createSignIn } from "../../src/registry/sign-in.ts";
import { codeOfRejection } from "../support/errors.ts";
import { testFolder } from "./support/server.ts";

const good = `$2y$10$${"a".repeat(53)}`;

describe("the users file", () => {
  it("is made readable by its owner alone, with bcrypt of cost 10", async () => {
    const file = join(testFolder(), "users");
    expect(await userAdd(file, "dev", "pass")).toBe("added");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [name, hash = ""] = readFileSync(file, "utf8").trim().split(":");
    expect([name, hash.slice(0, 7)]).toEqual(["dev", "$2b$10$"]);
    expect(compareSync("pass", hash)).toBe(true);
    expect(await userAdd(file, "ops", "other")).toBe("added");
    expect([...(await loadUsers(file)).keys()]).toEqual(["dev", "ops"]);
    expect(await userRemove(file, "dev")).toBe(true);
    expect(await userRemove(file, "dev")).toBe(false);
    expect([...(await loadUsers(file)).keys()]).toEqual(["ops"]);
  });

  it("keeps what else is in it", async () => {
    const file = join(testFolder(), "users");
    writeFileSync(file, `# ours\nold:${good}\n`);
    await userAdd(file, "new", "pass");
    await userAdd(file, "new", "again");
    expect(readFileSync(file, "utf8")).toMatch(/^# ours\nold:.*\nnew:.*\n$/);
  });

  it("loses no user where several are added and removed at the same time", async () => {
    const file = join(testFolder(), "users");
    await userAdd(file, "gone", "pass");
    const names = Array.from({ length: 8 }, (_, i) => `user${i}`);
    await Promise.all([userRemove(file, "gone"), ...names.map((name) => userAdd(file, name, "pass"))]);
    expect([...(await loadUsers(file)).keys()].sort()).toEqual(names);
  });

  it("is changed where it lies when a link leads to it", async () => {
    const folder = testFolder();
    writeFileSync(join(folder, "real"), `old:${good}\n`);
    symlinkSync(join(folder, "real"), join(folder, "users"));
    await userAdd(join(folder, "users"), "new", "pass");
    expect(lstatSync(join(folder, "users")).isSymbolicLink()).toBe(true);
    expect([...(await loadUsers(join(folder, "real"))).keys()]).toEqual(["old", "new"]);
  });

  it.each(["", "a:b", "anonymous", "*", "a b", "a\nb", "x".repeat(129)])("takes no user named %j", async (name) => {
    expect(await codeOfRejection(userAdd(join(testFolder(), "users"), name, "pass"))).toBe("USAGE");
  });

  it.each(["", "x".repeat(73), "ü".repeat(37)])("takes no password %j", async (password) => {
    expect(await codeOfRejection(userAdd(join(testFolder(), "users"), "dev", password))).toBe("USAGE");
  });

  it.each([
    ["plain text", "dev:password"],
    ["MD5", "dev:$apr1$x$y"],
    ["a cost that takes minutes", `dev:${good.replace("10", "20")}`],
    ["no colon", "dev"],
    ["a user twice", `dev:${good}\ndev:${good}`],
    ["a name for others", `anonymous:${good}`],
  ])("refuses %s, with the line", async (_name, text) => {
    const file = join(testFolder(), "users");
    writeFileSync(file, `ok:${good}\n${text}\n`);
    await expect(loadUsers(file)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/users:[23]: /),
    });
    await expect(loadUsers(file)).rejects.not.toMatchObject({ message: expect.stringContaining("password") });
  });

  it("must be there", async () => {
    expect(await codeOfRejection(loadUsers(join(testFolder(), "none")))).toBe("FILE_NOT_FOUND");
  });
});

describe("signing in", () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

  it("costs one check of the password, then none, and another after a change", async () => {
    const file = join(testFolder(), "users");
    await userAdd(file, "dev", "pass");
    let users = await loadUsers(file);
    const signIn = createSignIn(async () => users);
    const timed = async (password: string) => {
      const start = performance.now();
      const name = await signIn(basic(`dev:${password}`), "::1").catch(() => "refused");
      return { name, ms: performance.now() - start };
    };
    const first = await timed("pass");
    const second = await timed("pass");
    expect([first.name, second.name]).toEqual(["dev", "dev"]);
    expect(second.ms).toBeLessThan(first.ms / 5);
    await userAdd(file, "dev", "changed");
    users = await loadUsers(file);
    expect((await timed("pass")).name).toBe("refused");
    expect((await timed("changed")).name).toBe("dev");
  });

  it("takes as long for an unknown name as for a wrong password", async () => {
    const file = join(testFolder(), "users");
    await userAdd(file, "dev", "pass");
    const users = await loadUsers(file);
    const signIn = createSignIn(async () => users);
    const timed = async (user: string) => {
      const start = performance.now();
      await expect(signIn(basic(user), "::1")).rejects.toMatchObject({ status: 401 });
      return performance.now() - start;
    };
    const [wrong, unknown] = [await timed("dev:wrong"), await timed("nobody:wrong")];
    expect(unknown).toBeGreaterThan(wrong / 4);
  });

  it("is nobody where nothing is said", async () => {
    const signIn = createSignIn(async () => new Map());
    expect(await signIn(undefined, "::1")).toBeUndefined();
    expect(await signIn(basic(":"), "::1")).toBeUndefined();
  });
});
