import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmod, link, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatPublicKey, toPublicKey } from "../../src/crypto/public-key.ts";
import type { TrustError } from "../../src/errors.ts";
import { loadPolicies, type PolicyWatch, watchPolicies } from "../../src/policy/load.ts";

const newKey = () => formatPublicKey(toPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey));
const keyText = newKey();

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trust-policies-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function policy(name: string, key: object = { data: keyText }): string {
  return JSON.stringify({
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "ClusterTrustPolicy",
    metadata: { name },
    spec: { images: [{ glob: "**" }], authorities: [{ name: "release", key }] },
  });
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
}

const namesAt = async (...paths: string[]) => (await loadPolicies(paths, folder)).policies.map(({ name }) => name);
const codeAt = async (...paths: string[]) =>
  loadPolicies(paths, folder).then(
    () => "loaded",
    (error: TrustError) => error.code,
  );

describe("loadPolicies", () => {
  it("loads every .yaml, .yml and .json file of a folder, and nothing else", async () => {
    for (const file of ["a.yaml", "b.yml", "c.json", "d.YAML"]) await write(`p/${file}`, policy(file.charAt(0)));
    await write("p/README.md", "not a policy");
    await write("p/e.yaml.bak", "not a policy");
    expect(await namesAt("p")).toEqual(["a", "b", "c", "d"]);
  });

  it("leaves out names that start with a dot, and folders inside", async () => {
    await write("p/a.yaml", policy("a"));
    await write("p/.b.yaml", policy("b"));
    await write("p/deeper/c.yaml", policy("c"));
    await write("p/deeper.yaml/d.yaml", policy("d"));
    expect(await namesAt("p")).toEqual(["a"]);
  });

  it("loads files and folders together, each file once however it is reached", async () => {
    await write("p/a.yaml", policy("a"));
    await write("b.txt", policy("b"));
    await symlink("a.yaml", join(folder, "p/again.yaml"));
    await link(join(folder, "p/a.yaml"), join(folder, "p/twin.yaml"));
    expect(await namesAt("p", "p/a.yaml", join(folder, "p"), "b.txt")).toEqual(["a", "b"]);
  });

  it("reads a mounted ConfigMap", async () => {
    await write("p/..2026_11_20/a.yaml", policy("a", { file: "release.pub" }));
    await write("p/..2026_11_20/release.pub", keyText);
    await symlink("..2026_11_20", join(folder, "p/..data"));
    await symlink("..data/a.yaml", join(folder, "p/a.yaml"));
    await symlink("..data/release.pub", join(folder, "p/release.pub"));
    expect(await namesAt("p")).toEqual(["a"]);
  });

  it("finds key files beside the policy file, not in the folder it was run in", async () => {
    await write("p/a.yaml", policy("a", { file: "keys/release.pub" }));
    await write("p/keys/release.pub", keyText);
    expect(await namesAt("p/a.yaml")).toEqual(["a"]);
    await write("keys/release.pub", keyText);
    await rm(join(folder, "p/keys"), { recursive: true });
    expect(await codeAt("p/a.yaml")).toBe("POLICY_INVALID");
  });

  it("reads a policy from a pipe that is named", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const [names] = await Promise.all([namesAt("pipe"), writeFile(join(folder, "pipe"), policy("piped"))]);
    expect(names).toEqual(["piped"]);
  });

  it("does not wait for a pipe that is named as a key file", async () => {
    execFileSync("mkfifo", [join(folder, "release.pub")]);
    for (const file of ["release.pub", "."]) {
      await write("a.yaml", policy("a", { file }));
      expect(await codeAt("a.yaml")).toBe("POLICY_INVALID");
    }
  });

  it("names files as they were given, so that an editor finds them", async () => {
    await write("p/a.yaml", "kind: ClusterTrustPolicy\n");
    await expect(loadPolicies(["p"], folder)).rejects.toThrow(/p\/a\.yaml:1:1: /);
    await expect(loadPolicies([join(folder, "p")], "/")).rejects.toThrow(`${folder}/p/a.yaml:1:1: `);
  });

  it("reports what is wrong in all files at once", async () => {
    await write("p/a.yaml", "kind: x\n");
    await write("p/b.yaml", "");
    await write("p/c.yaml", policy("c", { file: "absent.pub" }));
    await symlink("nowhere", join(folder, "p/d.yaml"));
    await writeFile(join(folder, "p/e.yaml"), Buffer.from([0xff, 0xfe, 0x00]));
    await write("p/f.yaml", `#${"x".repeat(1024 * 1024)}\n${policy("f")}`);
    await write("p/g.yaml", policy("g"));
    const error: TrustError = await loadPolicies(["p"], folder).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error.code).toBe("POLICY_INVALID");
    for (const file of "abcdef") expect(error.message).toMatch(new RegExp(`^p/${file}\\.yaml[:\\d]*: `, "m"));
    expect(error.message).not.toContain("g.yaml");
  });

  it.each([[[]], [["absent.yaml"]], [["absent/folder"]], [["empty"]], [["a.yaml/x"]]])(
    "says that there is no policy at %j",
    async (paths) => {
      await mkdir(join(folder, "empty/deeper"), { recursive: true });
      await write("empty/deeper/a.yaml", policy("a"));
      await write("a.yaml", policy("a"));
      expect(await codeAt(...paths)).toBe("POLICY_NOT_FOUND");
    },
  );

  it("refuses an absent path beside one that is there", async () => {
    await write("a.yaml", policy("a"));
    expect(await codeAt("a.yaml", "b.yaml")).toBe("POLICY_NOT_FOUND");
  });

  it("refuses more than a thousand files", async () => {
    await mkdir(join(folder, "p"));
    await Promise.all(Array.from({ length: 1001 }, (_, i) => writeFile(join(folder, `p/${i}.yaml`), policy(`p${i}`))));
    expect(await codeAt("p")).toBe("POLICY_INVALID");
    await unlink(join(folder, "p/0.yaml"));
    expect((await namesAt("p")).length).toBe(1000);
  });

  it.skipIf(process.getuid?.() === 0)("says which file may not be read", async () => {
    await write("p/a.yaml", policy("a"));
    await chmod(join(folder, "p/a.yaml"), 0);
    expect(await codeAt("p")).toBe("POLICY_INVALID");
    await chmod(join(folder, "p"), 0);
    expect(await codeAt("p/a.yaml")).toBe("FILE_UNREADABLE");
    await chmod(join(folder, "p"), 0o700);
  });
});

describe("watchPolicies", () => {
  let events: string[];
  let watch: PolicyWatch | undefined;
  afterEach(() => watch?.close());

  async function start(...paths: string[]): Promise<void> {
    events = [];
    watch = await watchPolicies({
      paths,
      cwd: folder,
      interval: 20,
      onChange: ({ policies }) => events.push(policies.map(({ name }) => name).join(" ")),
      onError: ({ code }) => events.push(code),
    });
  }

  /** Waits for the next event, then a little longer for one that should not come. */
  async function next(): Promise<readonly string[]> {
    for (const started = Date.now(); events.length === 0 && Date.now() - started < 5000; ) await sleep(10);
    await sleep(100);
    return events.splice(0);
  }

  const inForce = () => watch?.current().policies.map(({ name }) => name);

  it("throws where the first set does not load", async () => {
    await expect(start("absent")).rejects.toMatchObject({ code: "POLICY_NOT_FOUND" });
  });

  it("sees files that come, change and go", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p");
    expect(inForce()).toEqual(["a"]);
    await write("p/b.yaml", policy("b"));
    expect(await next()).toEqual(["a b"]);
    await write("p/b.yaml", policy("c"));
    expect(await next()).toEqual(["a c"]);
    await unlink(join(folder, "p/b.yaml"));
    expect(await next()).toEqual(["a"]);
    expect(inForce()).toEqual(["a"]);
  });

  it("sees a file that an editor replaces", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p/a.yaml");
    await write("p/.a.yaml.swp", policy("b"));
    await rename(join(folder, "p/.a.yaml.swp"), join(folder, "p/a.yaml"));
    expect(await next()).toEqual(["b"]);
  });

  it("sees the link that Kubernetes swaps under a ConfigMap, as one change", async () => {
    await write("p/..1/a.yaml", policy("a"));
    await write("p/..1/b.yaml", policy("b"));
    await symlink("..1", join(folder, "p/..data"));
    for (const file of ["a.yaml", "b.yaml"]) await symlink(`..data/${file}`, join(folder, "p", file));
    await start("p");
    await write("p/..2/a.yaml", policy("c"));
    await write("p/..2/b.yaml", policy("d"));
    await symlink("..2", join(folder, "p/..data_tmp"));
    await rename(join(folder, "p/..data_tmp"), join(folder, "p/..data"));
    await rm(join(folder, "p/..1"), { recursive: true });
    expect(await next()).toEqual(["c d"]);
  });

  it("sees a key file that changes or goes", async () => {
    await write("p/a.yaml", policy("a", { file: "../release.pub" }));
    await write("release.pub", keyText);
    await start("p");
    const before = watch?.current();
    await write("release.pub", newKey());
    expect(await next()).toEqual(["a"]);
    expect(watch?.current().revision).not.toBe(before?.revision);
    await unlink(join(folder, "release.pub"));
    expect(await next()).toEqual(["POLICY_INVALID"]);
    expect(inForce()).toEqual(["a"]);
    await write("release.pub", keyText);
    expect(await next()).toEqual(["a"]);
    expect(watch?.current().revision).toBe(before?.revision);
  });

  it("keeps the last good set while the files are wrong, and says so once", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p");
    await write("p/a.yaml", "kind: broken\n");
    expect(await next()).toEqual(["POLICY_INVALID"]);
    expect(inForce()).toEqual(["a"]);
    await rm(join(folder, "p"), { recursive: true });
    expect(await next()).toEqual(["POLICY_NOT_FOUND"]);
    expect(inForce()).toEqual(["a"]);
    await write("p/a.yaml", policy("a"));
    expect(await next()).toEqual(["a"]);
  });

  it("calls nobody when nothing changed in meaning", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p");
    await write("p/a.yaml", `# a comment\n${policy("a")}`);
    await sleep(250);
    expect(events).toEqual([]);
  });

  it("waits until a file that is still being written stays as it is", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p");
    for (let i = 0; i < 12; i++) {
      await write("p/a.yaml", `${policy("a")}\n---\n${policy(`b${i}`)}`);
      await sleep(10);
    }
    expect((await next()).at(-1)).toBe("a b11");
  });

  it("calls nobody after it is closed", async () => {
    await write("p/a.yaml", policy("a"));
    await start("p");
    watch?.close();
    await write("p/a.yaml", policy("b"));
    await sleep(150);
    expect(events).toEqual([]);
    expect(inForce()).toEqual(["a"]);
  });
});
