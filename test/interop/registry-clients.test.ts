import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { configFile, type Stage, stage, testFolder, usersFile } from "../registry/support/server.ts";
import { buildImage, pushImage } from "../support/images.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { type RunResult, run } from "../support/process.ts";

const user = "dev";
const password = `secret of ${user}`;

interface Bench extends Stage {
  /** Runs a client that has the credentials, if there are any; throws unless it ends well. */
  ok(name: string, ...args: string[]): Promise<string>;
  attempt(name: string, ...args: string[]): Promise<RunResult>;
  /** An image with two layers, under a tag; gives `HOST/REPOSITORY@DIGEST`. */
  image(repository: string, tag: string): Promise<string>;
}

/** A registry, and clients that know how to sign in to it. */
async function bench(withUsers: boolean, rights?: readonly unknown[]): Promise<Bench> {
  const folder = testFolder();
  const config = rights === undefined ? undefined : configFile(folder, { rights });
  const server = await stage({ folder, users: withUsers ? usersFile(folder, user) : undefined, config });
  const auth = Buffer.from(`${user}:${password}`).toString("base64");
  const auths = withUsers ? { [server.host]: { auth } } : {};
  const docker = join(folder, "docker");
  mkdirSync(docker);
  writeFileSync(join(docker, "config.json"), JSON.stringify({ auths }), { mode: 0o600 });
  const env = {
    HOME: folder,
    DOCKER_CONFIG: docker,
    REGISTRY_AUTH_FILE: join(docker, "config.json"),
    COSIGN_PASSWORD: "key password",
    XDG_RUNTIME_DIR: folder,
  };
  const attempt = (name: string, ...args: string[]) => run(requirePeer(name), args, { env, cwd: folder });
  return {
    ...server,
    attempt,
    async ok(name, ...args) {
      const ended = await attempt(name, ...args);
      expect(ended.code, `${name} ${args.join(" ")}\n${ended.stderr}`).toBe(0);
      return ended.stdout;
    },
    async image(repository, tag) {
      const name = `${server.host}/${repository}:${tag}`;
      const files = [{ "etc/name": name }, { "app/run": "#!/bin/sh\n" }];
      const credentialsFor = async () => (withUsers ? { username: user, password } : undefined);
      const registry = createHttpRegistry({ credentials: { credentialsFor } });
      const digest = await pushImage(registry, parseReference(name), buildImage({ layers: files }));
      return `${server.host}/${repository}@${digest}`;
    },
  };
}

const plain = "--plain-http";

describe.each([
  ["without users", false],
  ["with users", true],
])("%s", (_name, withUsers) => {
  describePeers(["crane"], "crane", () => {
    it("pushes, lists, copies, pulls, tags, validates and deletes", async () => {
      const { ok, attempt, host, image, folder } = await bench(withUsers);
      const name = await image("src/app", "v1");
      await ok("crane", "validate", "--remote", name);
      await ok("crane", "copy", name, `${host}/dst/app:copy`);
      await ok("crane", "tag", `${host}/dst/app:copy`, "more");
      expect((await ok("crane", "ls", `${host}/dst/app`)).trim().split("\n")).toEqual(["copy", "more"]);
      expect((await ok("crane", "catalog", host)).trim().split("\n")).toEqual(["dst/app", "src/app"]);
      expect(await ok("crane", "digest", `${host}/dst/app:more`)).toContain(name.split("@")[1] ?? "-");
      await ok("crane", "pull", "--format=oci", name, join(folder, "layout"));
      await ok("crane", "push", join(folder, "layout"), `${host}/third/app:v1`);
      await ok("crane", "validate", "--remote", `${host}/third/app:v1`);
      await ok("crane", "index", "append", "-m", name, "-t", `${host}/src/app:index`);
      await ok("crane", "validate", "--remote", `${host}/src/app:index`);
      await ok("crane", "delete", `${host}/dst/app@${name.split("@")[1]}`);
      expect((await attempt("crane", "manifest", `${host}/dst/app:copy`)).stderr).toContain("MANIFEST_UNKNOWN");
      await ok("crane", "manifest", name);
    });
  });

  describePeers(["skopeo"], "skopeo", () => {
    it("copies both ways, in both formats, lists, inspects and deletes", async () => {
      const { ok, attempt, host, image, folder } = await bench(withUsers);
      const name = await image("src/app", "v1");
      const skopeo = (...args: string[]) => ok("skopeo", "--insecure-policy", ...args);
      const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
      await skopeo("copy", ...tls, `docker://${name}`, `oci:${join(folder, "layout")}:v1`);
      await skopeo(
        "copy",
        ...tls,
        "--preserve-digests",
        `oci:${join(folder, "layout")}:v1`,
        `docker://${host}/back/app:v1`,
      );
      expect(
        await ok("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${host}/back/app:v1`),
      ).toContain(name.split("@")[1] ?? "-");
      await skopeo("copy", ...tls, "--format", "v2s2", `docker://${name}`, `docker://${host}/docker/app:v1`);
      const raw = await ok("skopeo", "inspect", "--tls-verify=false", "--raw", `docker://${host}/docker/app:v1`);
      expect(JSON.parse(raw).mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
      const tags = JSON.parse(await ok("skopeo", "list-tags", "--tls-verify=false", `docker://${host}/docker/app`));
      expect(tags.Tags).toEqual(["v1"]);
      await ok("skopeo", "delete", "--tls-verify=false", `docker://${host}/docker/app:v1`);
      const gone = await attempt("skopeo", "inspect", "--tls-verify=false", `docker://${host}/docker/app:v1`);
      expect(gone.code).not.toBe(0);
    });
  });

  describePeers(["oras"], "oras", () => {
    it("pushes, pulls, attaches, discovers, copies with referrers, and deletes", async () => {
      const { ok, attempt, host, folder } = await bench(withUsers);
      writeFileSync(join(folder, "hello.txt"), "hello");
      writeFileSync(join(folder, "sbom.json"), "{}");
      const name = `${host}/files/hello:v1`;
      await ok("oras", "push", plain, "--artifact-type", "application/x-hello", name, "hello.txt:text/plain");
      await ok("oras", "attach", plain, "--artifact-type", "application/x-sbom", "-a", "by=test", name, "sbom.json");
      await ok("oras", "attach", plain, "--artifact-type", "application/x-other", name, "sbom.json");
      const discover = async (image: string, ...more: string[]) =>
        JSON.parse(await ok("oras", "discover", plain, "--format", "json", ...more, image)) as {
          referrers: { artifactType: string; annotations: Record<string, string> }[];
        };
      const all = (await discover(name)).referrers;
      expect(all.map(({ artifactType }) => artifactType).sort()).toEqual(["application/x-other", "application/x-sbom"]);
      const some = (await discover(name, "--artifact-type", "application/x-sbom")).referrers;
      expect(some).toHaveLength(1);
      expect(some[0]?.annotations).toMatchObject({ by: "test" });
      await ok("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", name, `${host}/copy/hello:v1`);
      expect((await discover(`${host}/copy/hello:v1`)).referrers).toHaveLength(2);
      await ok("oras", "pull", plain, "-o", join(folder, "out"), `${host}/copy/hello:v1`);
      expect((await ok("oras", "repo", "tags", plain, `${host}/files/hello`)).trim()).toBe("v1");
      expect((await ok("oras", "repo", "ls", plain, host)).trim().split("\n")).toEqual(["copy/hello", "files/hello"]);
      await ok("oras", "blob", "fetch", plain, "--descriptor", `${host}/files/hello@${helloDigest}`);
      await ok("oras", "blob", "delete", plain, "--force", `${host}/files/hello@${helloDigest}`);
      await ok("oras", "manifest", "delete", plain, "--force", name);
      expect((await attempt("oras", "manifest", "fetch", plain, name)).code).not.toBe(0);
    });
  });

  describePeers(["cosign2", "cosign3"], "cosign", () => {
    it.each([2, 3] as const)("%i signs and verifies, and refuses what is not signed", async (version) => {
      const { ok, attempt, image } = await bench(withUsers);
      const cosign = `cosign${version}`;
      await ok(cosign, "generate-key-pair");
      const name = await image("signed/app", "v1");
      const unsigned = await image("unsigned/app", "v1");
      const offline = version === 3 ? ["--use-signing-config=false"] : [];
      await ok(
        cosign,
        "sign",
        "--key",
        "cosign.key",
        "--tlog-upload=false",
        ...offline,
        "--yes",
        "-a",
        "by=test",
        name,
      );
      const verify = ["verify", "--key", "cosign.pub", "--insecure-ignore-tlog"];
      const verified = await ok(cosign, ...verify, name);
      expect(verified).toContain(name.split("@")[1] ?? "-");
      expect((await attempt(cosign, ...verify, unsigned)).code).not.toBe(0);
    });
  });
});

describePeers(["crane", "skopeo", "oras"], "clients without a credential", () => {
  const everything = { repositories: ["**"], users: ["*"], allow: ["pull", "push", "delete"] };
  const open = { repositories: ["open/**"], users: ["anonymous"], allow: ["pull"] };

  it.each([
    ["may do everything where there are no users", false, "src/app", true, true],
    ["may do nothing where there are", true, "src/app", false, false],
    ["may pull where that is allowed, and no more", true, "open/app", true, false],
  ])("%s", async (_name, withUsers, repository, mayPull, mayPush) => {
    const { host, image, folder } = await bench(withUsers, withUsers ? [everything, open] : undefined);
    const name = await image(repository, "v1");
    const file = join(folder, "none.json");
    writeFileSync(file, "{}");
    const env = { HOME: folder, DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: file, XDG_RUNTIME_DIR: folder };
    const commands: readonly (readonly [string, readonly string[], boolean])[] = [
      ["crane", ["manifest", name], mayPull],
      ["skopeo", ["inspect", "--tls-verify=false", `docker://${name}`], mayPull],
      ["oras", ["manifest", "fetch", plain, name], mayPull],
      ["crane", ["copy", name, `${host}/open/copy:v1`], mayPush],
      ["crane", ["delete", name], mayPush],
    ];
    for (const [peer, args, allowed] of commands) {
      const { code, stderr } = await run(requirePeer(peer), args, { env, cwd: folder });
      expect([peer, args[0], code === 0], stderr).toEqual([peer, args[0], allowed]);
      if (!allowed) expect(stderr.toLowerCase()).toMatch(/unauthorized|authentication required|credential not found/);
    }
  });
});

const helloDigest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
