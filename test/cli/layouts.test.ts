import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference, referrersTag } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { makeReferrer, push } from "../oci/artifacts.ts";
import { tarEnd, tarEntry } from "../oci/tar.ts";
import { runTrust } from "../support/cli.ts";
import { buildImage, pushImage, tinyImage } from "../support/images.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("cli-layouts");
const env = { TRUST_PASSWORD: "secret", HOME: folder.path };
let server: Awaited<ReturnType<typeof startRegistry>>;
let other: typeof server;
let [host, mirror] = ["", ""];
const registry = createHttpRegistry();
const trust = (...args: readonly string[]) => runTrust(args, { env, folder: folder.path });

beforeAll(async () => {
  server = await startRegistry({ storage: join(folder.path, "a"), listen: "127.0.0.1:0" });
  other = await startRegistry({ storage: join(folder.path, "b"), listen: "127.0.0.1:0" });
  [host, mirror] = [new URL(server.url).host, new URL(other.url).host];
  for (const name of ["release", "stranger"]) await ok("key", "generate", "--output-prefix", name);
});
afterAll(async () => {
  registry.close();
  await server.close();
  await other.close();
  folder.cleanup();
});

async function ok(...args: readonly string[]) {
  const result = await trust(...args);
  expect(result.code, `${args.join(" ")}\n${result.stdout}${result.stderr}`).toBe(0);
  return result;
}
async function json<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse((await ok(...args, "--output", "json")).stdout) as T;
}

let images = 0;
/** A signed image of two platforms; its name by tag, and its digest. */
async function signedImage(): Promise<{ readonly name: string; readonly digest: string }> {
  const name = `${host}/app${images++}:1.2`;
  const ref = parseReference(name);
  const children = [tinyImage(`${name} amd64`), tinyImage(`${name} arm64`)];
  for (const child of children)
    await pushImage(registry, { registry: ref.registry, repository: ref.repository }, child);
  const manifests = children.map(({ descriptor }, i) => ({
    ...descriptor,
    platform: { os: "linux", architecture: ["amd64", "arm64"][i] },
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }));
  await registry.pushManifest(ref, { bytes, mediaType: mediaTypes.imageIndex, tag: "1.2" });
  await ok("sign", "--key", "release.key", "--recursive", "--format", "bundle", "--format", "cosign", name);
  return { name, digest: digestOf(bytes) };
}

const policy = (glob: string) => `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: production }
spec:
  images: [{ glob: "${glob}" }]
  authorities: [{ name: release, key: { file: release.pub } }]
`;

describe("trust copy", () => {
  test("brings an image over with its signatures, and says what it did", async () => {
    const { name, digest } = await signedImage();
    const target = `${mirror}/copied/app:1.2`;
    const [copied] = await json<Record<string, unknown>[]>("copy", name, target);
    expect(copied).toMatchObject({
      source: name,
      destination: target,
      digest,
      manifests: 3 + 6,
      mounted: 0,
      skipped: 0,
      signatures: 6,
      attestations: 0,
      referrers: 3,
      leftOut: [],
    });
    await ok("verify", "--key", "release.pub", "--recursive", target);
    const again = await ok("copy", name, target);
    expect(again.stdout).toContain("there    9 items");
    expect((await trust("verify", "--key", "stranger.pub", target)).code).toBe(1);
  });

  test("copies one platform, and says what that means", async () => {
    const { name } = await signedImage();
    const result = await ok("copy", "--platform", "linux/arm64", name, `${mirror}/one/app:arm`);
    expect(result.stderr).toContain("do not cover");
    await ok("verify", "--key", "release.pub", `${mirror}/one/app:arm`);
    expect(await trust("copy", "--platform", "plan9/mips", name, `${mirror}/one/app:x`)).toMatchObject({ code: 1 });
  });

  test("copies the image alone when asked", async () => {
    const { name } = await signedImage();
    await ok("copy", "--no-signatures", name, `${mirror}/bare/app:1`);
    expect(await trust("verify", "--key", "release.pub", `${mirror}/bare/app:1`)).toMatchObject({ code: 1 });
  });

  test("refuses another digest than expected, and leaves nothing", async () => {
    const { name } = await signedImage();
    const expected = `sha256:${"0".repeat(64)}`;
    expect(await trust("copy", "--expect-digest", expected, name, `${mirror}/never/app:1`)).toMatchObject({ code: 1 });
    expect((await trust("verify", "--key", "release.pub", `${mirror}/never/app:1`)).stdout).toContain(
      "IMAGE_NOT_FOUND",
    );
  });

  test("names what it could not reach half way, and nothing is named there", async () => {
    const { name } = await signedImage();
    expect(await trust("copy", name, "127.0.0.1:1/app:1")).toMatchObject({ code: 4 });
  });
});

describe("trust save and trust load", () => {
  test.each([["saved"], ["saved.tar"]])("bring images over a gap with their signatures: %s", async (path) => {
    const [one, two] = [await signedImage(), await signedImage()];
    const saved = await json<{ digest: string; signatures: number }[]>("save", one.name, two.name, path);
    expect(saved.map(({ digest, signatures }) => [digest, signatures])).toEqual([
      [one.digest, 6],
      [two.digest, 6],
    ]);
    const loaded = await json<{ image: string; digest: string }[]>("load", path, "--to", `${mirror}/gap`);
    const names = [one, two].map(({ name }) => name.replace(host, `${mirror}/gap`));
    expect(loaded.map(({ image }) => image)).toEqual(names);
    for (const name of names) await ok("verify", "--key", "release.pub", "--recursive", name);
  });

  test("write nothing where an image is missing, and replace no archive", async () => {
    const { name } = await signedImage();
    expect(await trust("save", name, `${host}/none:1`, "half.tar")).toMatchObject({ code: 1 });
    expect(readdirSync(folder.path).filter((file) => file.includes("half"))).toEqual([]);
    writeFileSync(join(folder.path, "kept.tar"), "precious");
    expect(await trust("save", name, "kept.tar")).toMatchObject({ code: 3 });
    expect(readFileSync(join(folder.path, "kept.tar"), "utf8")).toBe("precious");
  });

  test("keep an image that is saved by digest, and add to a folder", async () => {
    const [one, two] = [await signedImage(), await signedImage()];
    await ok("save", `${one.name.replace(":1.2", "")}@${one.digest}`, "pinned");
    await ok("save", two.name, "pinned");
    const audited = await json<{ image: string; outcome: string }[]>(
      "audit",
      "registry",
      "oci-layout:pinned",
      "--key",
      "release.pub",
    );
    expect(audited).toMatchObject([
      { image: `oci-layout:pinned@${one.digest}`, outcome: "allow" },
      { image: `oci-layout:pinned:${two.name}`, outcome: "allow" },
    ]);
  });

  test("do not guess the name of what has none", async () => {
    mkdirSync(join(folder.path, "nameless"));
    await ok("copy", (await signedImage()).name, "oci-layout:nameless");
    const index = join(folder.path, "nameless/index.json");
    const document = JSON.parse(readFileSync(index, "utf8"));
    for (const entry of document.manifests)
      if (
        entry.artifactType === undefined &&
        !/^sha256-/.test(entry.annotations?.["org.opencontainers.image.ref.name"] ?? "")
      )
        delete entry.annotations;
    writeFileSync(index, JSON.stringify(document));
    const refused = await trust("load", "nameless");
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain("trust load nameless HOST/REPOSITORY:TAG");
    await ok("load", "nameless", `${mirror}/named/app:1`);
    await ok("verify", "--key", "release.pub", `${mirror}/named/app:1`);
  });

  test("read what docker save wrote, and say what it lacks", async () => {
    const layer = Buffer.from("a layer");
    const config = JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const list = [{ Config: "c.json", RepoTags: ["docker/app:1"], Layers: ["l/layer.tar"] }];
    const parts = [
      tarEntry("c.json", config),
      tarEntry("l/layer.tar", layer),
      tarEntry("manifest.json", JSON.stringify(list)),
      tarEnd,
    ];
    writeFileSync(join(folder.path, "docker.tar"), Buffer.concat(parts));
    const loaded = await ok("load", "docker.tar", `${mirror}/docker/app:1`);
    expect(loaded.stderr).toContain("docker save");
    expect(await trust("verify", "--key", "release.pub", "oci-layout:docker.tar")).toMatchObject({ code: 1 });
    await ok("sign", "--key", "release.key", `${mirror}/docker/app:1`);
    await ok("verify", "--key", "release.pub", `${mirror}/docker/app:1`);
  });

  test.each([
    ["a truncated archive", () => readFileSync(join(folder.path, "whole.tar")).subarray(0, 9_000), 3],
    ["something else", () => Buffer.from("not an archive"), 3],
    ["an archive of something else", () => Buffer.concat([tarEntry("../../etc/passwd", "x"), tarEnd]), 3],
  ])("refuse %s", async (_what, bytes, code) => {
    if (!existsSync(join(folder.path, "whole.tar"))) await ok("save", (await signedImage()).name, "whole.tar");
    writeFileSync(join(folder.path, "bad.tar"), bytes());
    const result = await trust("load", "bad.tar", `${mirror}/bad/app:1`);
    expect(result, result.stderr).toMatchObject({ code });
    expect((await trust("verify", "--key", "release.pub", `${mirror}/bad/app:1`)).stdout).toContain("IMAGE_NOT_FOUND");
  });

  test("refuse a blob that was changed, and name nothing", async () => {
    const { name } = await signedImage();
    await ok("save", name, "changed");
    const blobs = join(folder.path, "changed/blobs/sha256");
    const layer =
      readdirSync(blobs).find((file) =>
        readFileSync(join(blobs, file))
          .subarray(0, 2)
          .equals(Buffer.from([0x1f, 0x8b])),
      ) ?? "";
    writeFileSync(join(blobs, layer), Buffer.alloc(readFileSync(join(blobs, layer)).length));
    expect(await trust("load", "changed", `${mirror}/changed/app:1`)).toMatchObject({ code: 1 });
    expect((await trust("verify", "--key", "release.pub", `${mirror}/changed/app:1`)).stdout).toContain(
      "IMAGE_NOT_FOUND",
    );
  });
});

describe("an image in a layout", () => {
  test.each([["here"], ["here.tar"]])("is verified in place, under the name that the user wrote: %s", async (path) => {
    const { name, digest } = await signedImage();
    await ok("save", name, path);
    const [verdict] = await json<Record<string, unknown>[]>("verify", "--key", "release.pub", `oci-layout:${path}`);
    expect(verdict).toMatchObject({ image: `oci-layout:${path}`, digest, outcome: "allow", unsafe: [] });
    const [whole] = await json<{ children: { outcome: string }[] }[]>(
      "verify",
      "--key",
      "release.pub",
      "-r",
      `oci-layout:${path}:1.2`,
    );
    expect(whole?.children.map(({ outcome }) => outcome)).toEqual(["allow", "allow"]);
    expect(await trust("verify", "--key", "stranger.pub", `oci-layout:${path}@${digest}`)).toMatchObject({ code: 1 });
  });

  test("is judged by policies under its recorded name, and the verdict says so; or under the name given", async () => {
    const { name } = await signedImage();
    await ok("save", name, "judged");
    writeFileSync(join(folder.path, "own.yaml"), policy(`${host}/**`));
    writeFileSync(join(folder.path, "prod.yaml"), policy("registry.example.com/prod/**"));
    const [own] = await json<{ unsafe: string[] }[]>("verify", "--policy", "own.yaml", "oci-layout:judged");
    expect(own?.unsafe).toEqual([expect.stringContaining(name)]);
    const other = await trust("verify", "--policy", "prod.yaml", "oci-layout:judged");
    expect(other).toMatchObject({ code: 1, stdout: expect.stringContaining("NO_POLICY") });
    const as = ["--as", "registry.example.com/prod/app:1.2"];
    expect(await json("verify", "--policy", "prod.yaml", ...as, "oci-layout:judged")).toMatchObject([
      { outcome: "allow", unsafe: [] },
    ]);
  });

  test("that is not there is a verdict that says so", async () => {
    const result = await trust("verify", "--key", "release.pub", "oci-layout:nowhere", "--output", "json");
    expect(result.code).toBe(3);
    expect(JSON.parse(result.stdout)).toMatchObject([{ outcome: "deny", findings: [{ code: "FILE_NOT_FOUND" }] }]);
  });

  test("is signed and attested in place, and pushed with both", async () => {
    const built = buildImage({ layers: [{ x: "y" }] });
    await pushImage(registry, parseReference(`${host}/unsigned:1`), built);
    await ok("copy", `${host}/unsigned:1`, "oci-layout:mine:built");
    for (const format of ["bundle", "cosign"])
      await ok("sign", "--key", "release.key", "--format", format, "oci-layout:mine:built");
    writeFileSync(join(folder.path, "predicate.json"), "{}");
    await ok(
      "attest",
      "--key",
      "release.key",
      "--type",
      "https://e.com/t",
      "--predicate",
      "predicate.json",
      "oci-layout:mine",
    );
    await ok("verify", "--key", "release.pub", "oci-layout:mine");
    await ok("verify", "--key", "release.pub", "--type", "https://e.com/t", "oci-layout:mine");
    const pushed = await json<Record<string, unknown>[]>("push", "mine", `${mirror}/mine/app:1`);
    expect(pushed).toMatchObject([{ image: `${mirror}/mine/app:1`, signatures: 2, attestations: 1 }]);
    await ok("verify", "--key", "release.pub", `${mirror}/mine/app:1`);
  });

  test("in an archive cannot be signed, which is said", async () => {
    await ok("save", (await signedImage()).name, "closed.tar");
    const refused = await trust("sign", "--key", "release.key", "oci-layout:closed.tar");
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stdout).toContain("FILE_UNWRITABLE");
  });

  test("is never meant by a manifest of Kubernetes", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { containers: [{ name: "c", image: "oci-layout:here" }] },
    };
    writeFileSync(join(folder.path, "pod.json"), JSON.stringify(pod));
    // No policy speaks about it, so that no request leaves either.
    writeFileSync(join(folder.path, "none.yaml"), policy("registry.example.com/**"));
    const result = await trust("audit", "manifests", "pod.json", "--policy", "none.yaml", "--output", "json");
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject([{ outcome: "deny", status: "no-policy" }]);
  });
});

describe("trust clean", () => {
  test("lists, and removes only when told", async () => {
    const { name, digest } = await signedImage();
    const ref = parseReference(name);
    const scan = makeReferrer(
      { mediaType: mediaTypes.imageIndex, digest: digest as `sha256:${string}`, size: 1 },
      "scan",
      "application/x-scan",
    );
    await push(registry, ref, scan);
    const listed = await ok("clean", name);
    expect(listed.stdout).toMatch(/signature +sha256:[0-9a-f]{64} /);
    expect(listed.stdout).toContain(`${referrersTag(digest as `sha256:${string}`)}.sig`);
    expect(listed.stderr).toContain("--yes");
    await ok("verify", "--key", "release.pub", name);
    const [cleaned] = await json<{ removed: boolean; items: unknown[] }[]>("clean", "--yes", name);
    expect(cleaned).toMatchObject({ removed: true, items: [{}, {}], staying: 1 });
    expect((await trust("verify", "--key", "release.pub", name)).stdout).toContain("NO_SIGNATURE");
    expect((await registry.listReferrers(ref, digest as `sha256:${string}`, 5)).descriptors).toHaveLength(1);
    expect((await ok("clean", name)).stdout).toContain("nothing to remove");
  });

  test.each([
    ["yes", true],
    ["no", false],
    ["", false],
  ])("asks on a terminal: %j", async (answer, removed) => {
    const { name } = await signedImage();
    const result = await runTrust(["clean", name], { env, folder: folder.path, answers: [answer] });
    expect(result.questions).toHaveLength(1);
    expect(result.stdout.includes("removed 2")).toBe(removed);
    expect((await trust("verify", "--key", "release.pub", name)).code).toBe(removed ? 1 : 0);
  });

  test("removes from a layout as well", async () => {
    await ok("save", (await signedImage()).name, "dirty");
    await ok("clean", "--yes", "--recursive", "oci-layout:dirty");
    expect((await trust("verify", "--key", "release.pub", "oci-layout:dirty")).stdout).toContain("NO_SIGNATURE");
  });
});
