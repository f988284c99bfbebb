import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestHex, digestOf } from "../../src/crypto/digest.ts";
import { signatureTag, simpleSigningMediaType } from "../../src/formats/cosign-signature.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../../src/oci/manifest.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { attachSignatureLayer } from "../../src/oci/signature-tag.ts";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { annotationsOf, makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { githubIssuer } from "../support/sigstore/claims.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { openStage, type Stage } from "../support/stage.ts";

const folder = tempDir("keyless");
const world = createWorld();
const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
let stage: Stage;
let images = 0;

const trust = (...args: string[]) =>
  runTrust(args, { env: { HOME: folder.path, XDG_CONFIG_HOME: folder.path }, folder: folder.path });
const write = (name: string, content: unknown) => writeFileSync(join(folder.path, name), JSON.stringify(content));
const named = ["--certificate-identity", workflow, "--certificate-oidc-issuer", githubIssuer];
const rooted = ["--trusted-root", "root.json"];

beforeAll(async () => {
  stage = await openStage();
  write("root.json", trustedRootOf(world));
  write("other.json", trustedRootOf(createWorld()));
  write("keyless.json", {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "ClusterTrustPolicy",
    metadata: { name: "keyless" },
    spec: {
      images: [{ glob: "**" }],
      authorities: [
        { name: "ci", keyless: { trustRoot: "acme", identities: [{ issuer: githubIssuer, subject: workflow }] } },
      ],
    },
  });
  write("roots.json", {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "TrustRoot",
    metadata: { name: "acme" },
    spec: { trustedRoot: trustedRootOf(world) },
  });
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

async function pushed(recipe: Recipe = {}) {
  const image = await stage.newImage(`app${images++}`);
  const made = makeBundle(world, { subject: digestHex(image.digest), ...recipe });
  const bytes = Buffer.from(JSON.stringify(made.bundle));
  const layer = { mediaType: bundleType, digest: digestOf(bytes), size: bytes.length };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    artifactType: bundleType,
    config: emptyDescriptor,
    layers: [layer],
    subject: { mediaType: mediaTypes.imageManifest, digest: image.digest, size: 0 },
  };
  const content = Buffer.from(JSON.stringify(manifest));
  for (const blob of [emptyJson, bytes]) await stage.registry.pushBlob(image.ref, blobOf(blob, digestOf(blob)));
  const descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(content), size: content.length };
  await attachReferrer(stage.registry, image.ref, { bytes: content, descriptor }, image.digest);
  return { ...image, bundle: made.bundle };
}

describe("trust verify of keyless signatures", () => {
  it.each([{ log: "v1" }, { log: "v2", timestamp: true }] as readonly Recipe[])(
    "accepts them by identity: %o",
    async (recipe) => {
      const { text } = await pushed(recipe);
      const verified = await trust("verify", ...named, ...rooted, "--output", "json", text);
      expect(verified, verified.stdout + verified.stderr).toMatchObject({ code: 0 });
      const [verdict] = JSON.parse(verified.stdout);
      expect(verdict.policies[0].satisfiedBy).toMatchObject([
        { signer: { kind: "keyless", issuer: githubIssuer, subject: workflow }, trustRoot: { name: "root.json" } },
      ]);
      expect(Date.parse(verdict.policies[0].satisfiedBy[0].signedAt)).toBeLessThanOrEqual(Date.now());
      expect(verdict.unsafe).toEqual([]);
    },
  );

  it("accepts them by repository, by regular expressions that match the whole, and by policy", async () => {
    const { text } = await pushed();
    for (const flags of [
      ["--github-repo", "acme/app", ...rooted],
      ["--github-repo", "acme/app", "--certificate-identity", workflow, ...rooted],
      [
        "--certificate-identity-regexp",
        "https://github\\.com/acme/.*",
        "--certificate-oidc-issuer-regexp",
        ".*",
        ...rooted,
      ],
      ["--policy", "keyless.json", "--policy", "roots.json"],
    ])
      expect((await trust("verify", ...flags, text)).code, flags.join(" ")).toBe(0);
    for (const flags of [
      ["--github-repo", "acme/other", ...rooted],
      ["--certificate-identity-regexp", "github\\.com/acme", "--certificate-oidc-issuer", githubIssuer, ...rooted],
      ["--certificate-identity", workflow, "--certificate-oidc-issuer", "https://issuer.example.com", ...rooted],
      [...named, "--trusted-root", "other.json"],
      named,
    ])
      expect((await trust("verify", ...flags, text)).code, flags.join(" ")).toBe(1);
  });

  it("needs the roots that a policy names", async () => {
    const { text } = await pushed();
    const refused = await trust("verify", "--policy", "keyless.json", text);
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain("POLICY_INVALID");
  });

  it("accepts them under .sig tags", async () => {
    const image = await stage.newImage(`app${images++}`);
    const identity = { "docker-reference": image.text };
    const critical = {
      identity,
      image: { "docker-manifest-digest": image.digest },
      type: "cosign container image signature",
    };
    const payload = Buffer.from(JSON.stringify({ critical, optional: null }));
    const made = makeBundle(world, { content: "message", artifact: payload });
    const layer = {
      mediaType: simpleSigningMediaType,
      digest: digestOf(payload),
      size: payload.length,
      annotations: annotationsOf(world, made),
    };
    await stage.registry.pushBlob(image.ref, blobOf(payload, layer.digest));
    await attachSignatureLayer(stage.registry, image.ref, signatureTag(image.digest), layer, {});
    expect(await trust("verify", ...named, ...rooted, image.text)).toMatchObject({ code: 0 });
    expect(await trust("verify", ...named, "--trusted-root", "other.json", image.text)).toMatchObject({ code: 1 });
  });

  it("accepts them from a file, without a registry, for the digest that they are about", async () => {
    const { digest, bundle } = await pushed();
    const other = await pushed();
    writeFileSync(
      join(folder.path, "bundles.jsonl"),
      [other.bundle, bundle].map((one) => JSON.stringify(one)).join("\n"),
    );
    const flags = [...named, ...rooted, "--bundle", "bundles.jsonl"];
    const unreachable = "registry.invalid/app";
    expect(await trust("verify", ...flags, `${unreachable}@${digest}`)).toMatchObject({ code: 0 });
    const strange = await trust("verify", ...flags, `${unreachable}@sha256:${"0".repeat(64)}`);
    expect(strange).toMatchObject({ code: 1 });
    expect(strange.stdout).toContain("SUBJECT_MISMATCH");
    const byTag = await trust("verify", ...flags, `${unreachable}:1`);
    expect([byTag.code, byTag.stdout]).toEqual([2, expect.stringContaining("trust inspect FILE")]);
    expect(byTag.stdout).not.toContain("COMMAND");
  });
});
