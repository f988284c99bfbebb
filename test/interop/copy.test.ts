import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

const password = "test-password";
const predicateType = "https://example.com/built/v1";

interface Running {
  readonly host: string;
  stop(): Promise<void>;
}

const registries = {
  "docker-registry 2.8.3": async () => startDockerRegistry({}),
  "the built-in registry": async (folder: string): Promise<Running> => {
    const server = await startRegistry({ storage: join(folder, `registry-${Math.random()}`), listen: "127.0.0.1:0" });
    return { host: new URL(server.url).host, stop: () => server.close() };
  },
};
const pairs = [
  ["docker-registry 2.8.3", "the built-in registry"],
  ["the built-in registry", "docker-registry 2.8.3"],
] as const;

const signing = (version: 2 | 3) => [
  "--key",
  "own.key",
  "--tlog-upload=false",
  ...(version === 3 ? ["--use-signing-config=false"] : []),
  "--yes",
];

/** What real cosign puts beside an image, and which peers must find it. */
const shapes = {
  ".sig only": { sign: [2], attest: [] },
  "bundle only": { sign: [3], attest: [] },
  both: { sign: [2, 3], attest: [] },
  "attestations of both kinds": { sign: [2, 3], attest: [2, 3] },
} as const satisfies Record<string, { sign: readonly (2 | 3)[]; attest: readonly (2 | 3)[] }>;

describePeers(["cosign2", "cosign3", "skopeo", "oras", "docker-registry"], "images that move", () => {
  describe.each(pairs)("from %s to %s", (from, to) => {
    const folder = tempDir("interop-copy");
    const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
    const client = createHttpRegistry();
    let source: Running;
    let target: Running;
    let images = 0;

    const at = (path: string) => join(folder.path, path);
    const peer = (name: string, ...args: string[]) => run(requirePeer(name), args, { env, cwd: folder.path });
    const cosign = (version: 2 | 3, ...args: string[]) => peer(`cosign${version}`, ...args);
    const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
    async function ok(result: Promise<{ code: number; stdout: string; stderr: string }>): Promise<string> {
      const ended = await result;
      expect(ended.code, `${ended.stdout}\n${ended.stderr}`).toBe(0);
      return ended.stdout;
    }

    beforeAll(async () => {
      source = await registries[from](folder.path);
      target = await registries[to](folder.path);
      writeFileSync(at("root.json"), '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
      writeFileSync(at("predicate.json"), '{"built":"here"}');
      for (const name of ["own", "other"]) await ok(trust("key", "generate", "--output-prefix", name));
    });
    afterAll(async () => {
      client.close();
      await source?.stop();
      await target?.stop();
      folder.cleanup();
    });

    /** An image in the source registry; its repository, tag and digest. */
    async function newImage(): Promise<{
      readonly repository: string;
      readonly tagged: string;
      readonly pinned: string;
    }> {
      const repository = `${source.host}/moving/app${images++}`;
      const digest = await pushImage(client, parseReference(`${repository}:1`), tinyImage(`${from} ${repository}`));
      return { repository, tagged: `${repository}:1`, pinned: `${repository}@${digest}` };
    }

    async function decorate(pinned: string, shape: keyof typeof shapes): Promise<void> {
      for (const version of shapes[shape].sign) await ok(cosign(version, "sign", ...signing(version), pinned));
      const attesting = ["--predicate", "predicate.json", "--type", predicateType];
      for (const version of shapes[shape].attest)
        await ok(cosign(version, "attest", ...signing(version), ...attesting, pinned));
    }

    const cosignVerifies = (version: 2 | 3, key: string, ...rest: string[]) =>
      cosign(version, "verify", "--key", `${key}.pub`, "--insecure-ignore-tlog", ...rest);
    const cosignReads = (version: 2 | 3, key: string, type: string, ...rest: string[]) =>
      cosign(version, "verify-attestation", "--key", `${key}.pub`, "--insecure-ignore-tlog", "--type", type, ...rest);

    /** Every peer that could verify the source verifies the image there; nobody does by another key. */
    async function expectVerified(shape: keyof typeof shapes, image: string, signedAs: string): Promise<void> {
      const { sign, attest } = shapes[shape];
      await ok(trust("verify", "--key", "own.pub", image));
      expect((await trust("verify", "--key", "other.pub", image)).code).toBe(1);
      const hasSig = (sign as readonly number[]).includes(2);
      const hasBundle = (sign as readonly number[]).includes(3);
      await ok(cosignVerifies(3, "own", image));
      expect((await cosignVerifies(3, "other", image)).code).not.toBe(0);
      if (hasSig) {
        await ok(cosignVerifies(2, "own", image));
        await ok(skopeoCopies(image, signedAs));
      }
      // cosign 2 reads bundles as attestations only.
      const asAttestation = ["--new-bundle-format", "--trusted-root", "root.json"];
      if (hasBundle) await ok(cosignReads(2, "own", "https://sigstore.dev/cosign/sign/v1", ...asAttestation, image));
      if (attest.length === 0) return;
      await ok(trust("verify", "--key", "own.pub", "--type", predicateType, image));
      await ok(cosignReads(2, "own", predicateType, image));
      await ok(cosignReads(2, "own", predicateType, ...asAttestation, image));
      await ok(cosignReads(3, "own", predicateType, image));
      expect((await cosignReads(3, "other", predicateType, image)).code).not.toBe(0);
    }

    /** Under a policy that wants a signature by the own key for the repository that was signed. */
    async function skopeoCopies(image: string, signedAs: string) {
      const signedIdentity = { type: "exactRepository", dockerRepository: signedAs };
      const requirement = { type: "sigstoreSigned", keyPath: at("own.pub"), signedIdentity };
      const transports = { docker: { "": [requirement] } };
      writeFileSync(at("policy.json"), JSON.stringify({ default: [{ type: "reject" }], transports }));
      const scratch = tempDir("skopeo");
      writeFileSync(join(scratch.path, "default.yaml"), "default-docker: { use-sigstore-attachments: true }\n");
      const flags = ["--registries.d", scratch.path, "--policy", "policy.json", "copy", "--src-tls-verify=false"];
      const result = await peer("skopeo", ...flags, `docker://${image}`, `dir:${join(scratch.path, "out")}`);
      scratch.cleanup();
      return result;
    }

    describe.each(Object.keys(shapes) as (keyof typeof shapes)[])("%s", (shape) => {
      it("is verified by every peer after trust copy", async () => {
        const { repository, tagged, pinned } = await newImage();
        await decorate(pinned, shape);
        const copied = `${target.host}/copied/app${images}:2`;
        const [summary] = JSON.parse(await ok(trust("copy", "--output", "json", tagged, copied)));
        const { sign, attest } = shapes[shape];
        expect(summary).toMatchObject({ signatures: sign.length, attestations: attest.length, leftOut: [] });
        await expectVerified(shape, copied, repository);
      });

      it.each(["folder", "archive.tar"])(
        "is verified by every peer in a saved %s and after trust load",
        async (kind) => {
          const { repository, tagged, pinned } = await newImage();
          await decorate(pinned, shape);
          const path = `${images}-${kind}`;
          await ok(trust("save", tagged, path));
          await ok(trust("verify", "--key", "own.pub", `oci-layout:${path}`));
          expect((await trust("verify", "--key", "other.pub", `oci-layout:${path}`)).code).toBe(1);
          if (kind === "folder") await expectLocal(shape, path);
          const loaded = `${target.host}/loaded/app${images}:3`;
          await ok(trust("load", path, loaded));
          await expectVerified(shape, loaded, repository);
        },
      );

      it.each([2, 3] as const)("is verified by every peer after cosign %i save and trust load", async (version) => {
        const { repository, tagged, pinned } = await newImage();
        await decorate(pinned, shape);
        const path = `${images}-cosign${version}`;
        await ok(cosign(version, "save", "--dir", path, tagged));
        const loaded = `${target.host}/reloaded/app${images}:4`;
        await ok(trust("load", path, loaded));
        // cosign 2 saves no bundles.
        const seen = version === 3 ? shape : ".sig only";
        if (version === 3 || shape !== "bundle only") await expectVerified(seen, loaded, repository);
      });
    });

    /** What cosign and oras make of a folder of ours. */
    async function expectLocal(shape: keyof typeof shapes, path: string): Promise<void> {
      const { sign, attest } = shapes[shape];
      const hasSig = (sign as readonly number[]).includes(2);
      if (hasSig) await ok(cosignVerifies(2, "own", "--local-image", path));
      await ok(cosignVerifies(3, "own", "--local-image", path));
      expect((await cosignVerifies(3, "other", "--local-image", path)).code).not.toBe(0);
      if (attest.length > 0)
        for (const version of [2, 3] as const)
          await ok(cosignReads(version, "own", predicateType, "--local-image", path));
      const referrers =
        sign.length + attest.length - (hasSig ? 1 : 0) - ((attest as readonly number[]).includes(2) ? 1 : 0);
      const listed = JSON.parse(await ok(peer("oras", "discover", "--oci-layout", "--format", "json", `${path}:1`)));
      expect(listed.referrers ?? listed.manifests ?? []).toHaveLength(referrers);
      await ok(peer("skopeo", "inspect", "--raw", `oci:${path}:1`));
    }

    it("what trust saves, cosign 2 loads with its signatures", async () => {
      const { repository, tagged, pinned } = await newImage();
      await decorate(pinned, "both");
      await ok(trust("save", tagged, "for-cosign"));
      const loaded = `${target.host}/cosign/app:1`;
      await ok(cosign(2, "load", "--dir", "for-cosign", loaded));
      await expectVerified(".sig only", loaded, repository);
    });

    it.each([2, 3] as const)(
      "an index signed recursively by cosign %i is signed on every platform after the move",
      async (version) => {
        const repository = `${source.host}/moving/multi${version}`;
        const children = [tinyImage(`${repository} amd64`), tinyImage(`${repository} arm64`)];
        for (const child of children) await pushImage(client, { ...parseReference(repository), tag: "child" }, child);
        const manifests = children.map(({ descriptor }, i) => ({
          ...descriptor,
          platform: { os: "linux", architecture: ["amd64", "arm64"][i] },
        }));
        const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }));
        await client.pushManifest(parseReference(repository), { bytes, mediaType: mediaTypes.imageIndex, tag: "1" });
        await ok(cosign(version, "sign", "--recursive", ...signing(version), `${repository}@${digestOf(bytes)}`));
        const copied = `${target.host}/copied/multi${version}`;
        await ok(trust("copy", `${repository}:1`, `${copied}:1`));
        const path = `multi${version}.tar`;
        await ok(trust("save", `${repository}:1`, path));
        const loaded = `${target.host}/loaded/multi${version}`;
        await ok(trust("load", path, `${loaded}:1`));
        await ok(trust("verify", "--key", "own.pub", "--recursive", `oci-layout:${path}`));
        for (const place of [copied, loaded]) {
          await ok(trust("verify", "--key", "own.pub", "--recursive", `${place}:1`));
          for (const digest of [digestOf(bytes), ...children.map(({ descriptor }) => descriptor.digest)]) {
            await ok(cosignVerifies(3, "own", `${place}@${digest}`));
            if (version === 2) await ok(cosignVerifies(2, "own", `${place}@${digest}`));
          }
          // A runtime asks for the signature of its own platform.
          if (version === 2) await ok(skopeoCopies(`${place}:1`, repository));
        }
      },
    );

    it("signatures that are at the destination stay, by whomever they are", async () => {
      const { tagged, pinned } = await newImage();
      const copied = `${target.host}/kept/app${images}`;
      await ok(trust("copy", "--no-signatures", tagged, `${copied}:1`));
      const own = `${copied}@${pinned.split("@")[1]}`;
      for (const version of [2, 3] as const)
        await ok(cosign(version, "sign", ...signing(version).map((flag) => flag.replace("own", "other")), own));
      await decorate(pinned, "both");
      await ok(trust("copy", tagged, `${copied}:1`));
      for (const key of ["own", "other"]) {
        await ok(trust("verify", "--key", `${key}.pub`, own));
        for (const version of [2, 3] as const) await ok(cosignVerifies(version, key, own));
      }
    });

    it("what trust cleans, nobody verifies any more", async () => {
      const { pinned } = await newImage();
      await decorate(pinned, "attestations of both kinds");
      const [cleaned] = JSON.parse(await ok(trust("clean", "--yes", "--output", "json", pinned)));
      expect(cleaned.items).toHaveLength(4);
      expect((await trust("verify", "--key", "own.pub", pinned)).stdout).toContain("NO_SIGNATURE");
      for (const version of [2, 3] as const) {
        expect((await cosignVerifies(version, "own", pinned)).code).not.toBe(0);
        expect((await cosignReads(version, "own", predicateType, pinned)).code).not.toBe(0);
      }
      await decorate(pinned, "both");
      await ok(trust("verify", "--key", "own.pub", pinned));
      for (const version of [2, 3] as const) await ok(cosignVerifies(version, "own", pinned));
    });
  });

  it("a registry that does not delete says what to turn on", async () => {
    const folder = tempDir("interop-clean");
    const registry = await startDockerRegistry({ delete: false });
    const env = { TRUST_PASSWORD: password, HOME: folder.path };
    const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
    try {
      const image = `${registry.host}/app:1`;
      await pushImage(createHttpRegistry(), parseReference(image), tinyImage("undeletable"));
      await trust("key", "generate", "--output-prefix", "own");
      expect(await trust("sign", "--key", "own.key", image)).toMatchObject({ code: 0 });
      const refused = await trust("clean", "--yes", image);
      expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining("storage.delete.enabled") });
      expect(await trust("verify", "--key", "own.pub", image)).toMatchObject({ code: 0 });
    } finally {
      await registry.stop();
      folder.cleanup();
    }
  });
});

describePeers(["notation", "docker-registry"], "Notation signatures that move", () => {
  it.each(pairs.map(([name]) => name))("are verified by notation in %s after trust copy", async (to) => {
    const folder = tempDir("interop-notation");
    const env = { XDG_CONFIG_HOME: folder.path, HOME: folder.path, NOTATION_CONFIG: join(folder.path, "notation") };
    const notation = async (...args: string[]) => {
      const result = await run(requirePeer("notation"), args, { env, cwd: folder.path });
      expect(result.code, `${args.join(" ")}\n${result.stderr}`).toBe(0);
    };
    const source = await startDockerRegistry({});
    const target = await registries[to](folder.path);
    try {
      const image = `${source.host}/notary/app:1`;
      const digest = await pushImage(createHttpRegistry(), parseReference(image), tinyImage(`notary ${to}`));
      await notation("cert", "generate-test", "--default", "test.example");
      const policy = {
        version: "1.0",
        trustPolicies: [
          {
            name: "all",
            registryScopes: ["*"],
            signatureVerification: { level: "strict" },
            trustStores: ["ca:test.example"],
            trustedIdentities: ["*"],
          },
        ],
      };
      writeFileSync(join(folder.path, "notation/trustpolicy.json"), JSON.stringify(policy));
      await notation("sign", "--insecure-registry", `${source.host}/notary/app@${digest}`);
      const copied = `${target.host}/copied/notary:1`;
      const result = await runTrust(["copy", image, copied, "--output", "json"], { env, folder: folder.path });
      expect(JSON.parse(result.stdout)).toMatchObject([{ signatures: 1, referrers: 1 }]);
      await notation("verify", "--insecure-registry", `${target.host}/copied/notary@${digest}`);
    } finally {
      await target.stop();
      await source.stop();
      folder.cleanup();
    }
  });
});
