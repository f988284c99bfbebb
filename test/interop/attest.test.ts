import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";

const password = "test-password";
const spdx = { spdxVersion: "SPDX-2.3", SPDXID: "SPDXRef-DOCUMENT", name: "é <&>", packages: [] };
const slsa1 = {
  buildDefinition: { buildType: "https://example.com/b", externalParameters: {} },
  runDetails: { builder: { id: "https://example.com/builder" } },
};
/** A predicate of each type that both sides know by name. */
const predicates: Readonly<Record<string, unknown>> = {
  custom: { hello: "world" },
  spdxjson: spdx,
  spdx: "SPDXVersion: SPDX-2.3\nDocumentName: app\n",
  cyclonedx: { bomFormat: "CycloneDX", specVersion: "1.6", version: 1, components: [{ type: "library", name: "a" }] },
  slsaprovenance: { builder: { id: "https://example.com/builder" }, buildType: "https://example.com/b" },
  slsaprovenance1: slsa1,
  link: {
    _type: "link",
    name: "build",
    command: [],
    materials: {},
    products: {},
    byproducts: {},
    environment: {},
  },
  vuln: {
    invocation: { uri: "https://example.com/1" },
    scanner: { uri: "pkg:x", version: "1", db: {}, result: {} },
    metadata: { scanStartedOn: "2026-01-01T00:00:00Z", scanFinishedOn: "2026-01-01T00:01:00Z" },
  },
  openvex: {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    author: "a",
    timestamp: "2026-01-01T00:00:00Z",
    version: 1,
    statements: [{ vulnerability: { name: "CVE-2026-1" }, products: [{ "@id": "pkg:x" }], status: "fixed" }],
  },
  "https://example.com/own/v1": { any: ["thing", 1.5] },
};

describePeers(["cosign2", "cosign3", "docker-registry"], "attestations both ways", () => {
  const folder = tempDir("interop-attest");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  let registry: { host: string; stop(): Promise<void> };
  let images = 0;

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  const newImage = async (): Promise<string> => {
    const image = `${registry.host}/attest/app${images++}:1`;
    const digest = await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return `${image.slice(0, -2)}@${digest}`;
  };
  const predicateFile = (type: string): string => {
    const file = `${type.replace(/\W/g, "-")}.predicate`;
    const content = predicates[type];
    writeFileSync(join(folder.path, file), typeof content === "string" ? content : JSON.stringify(content));
    return file;
  };
  type Form = "bundle" | "cosign";
  const cosignAttests = (version: 2 | 3, form: Form, key: string, type: string, image: string) => {
    const flags = ["--key", key, "--tlog-upload=false", "--yes", "--type", type, "--predicate", predicateFile(type)];
    if (version === 3) flags.push("--use-signing-config=false", `--new-bundle-format=${form === "bundle"}`);
    else if (form === "bundle") flags.push("--new-bundle-format");
    return cosign(version, "attest", ...flags, image);
  };
  const cosignVerifies = (version: 2 | 3, form: Form, key: string, type: string, image: string, ...more: string[]) => {
    const flags = ["--key", key, "--insecure-ignore-tlog", "--type", type, ...more];
    if (version === 3) flags.push(`--new-bundle-format=${form === "bundle"}`);
    else if (form === "bundle") flags.push("--new-bundle-format", "--trusted-root", "empty-root.json");
    return cosign(version, "verify-attestation", ...flags, image);
  };

  beforeAll(async () => {
    registry = await startDockerRegistry({});
    writeFileSync(
      join(folder.path, "empty-root.json"),
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
    for (const kind of ["p256", "p384"] as const) {
      const pem = newPrivateKey(kind).export({ type: "pkcs8", format: "pem" });
      writeFileSync(join(folder.path, `${kind}.pem`), pem);
      const imported = await trust("key", "import", "--key", `${kind}.pem`, "--output-prefix", kind);
      expect(imported, imported.stderr).toMatchObject({ code: 0 });
    }
  });
  afterAll(async () => {
    await registry?.stop();
    folder.cleanup();
  });

  const forms = ["bundle", "cosign"] as const;
  const versions = [2, 3] as const;

  it.each(forms.flatMap((form) => Object.keys(predicates).map((type) => [form, type] as const)))(
    "our attestation, form %s, type %s, is accepted by both cosigns and by us",
    async (form, type) => {
      const image = await newImage();
      const file = predicateFile(type);
      const made = await trust(
        "attest",
        "--key",
        "p256.key",
        "--type",
        type,
        "--predicate",
        file,
        "--format",
        form,
        image,
      );
      expect(made, made.stderr + made.stdout).toMatchObject({ code: 0 });
      for (const version of versions) {
        // cosign reads no text as a predicate but cosign 2 under .att tags: neither its own nor ours.
        if (type === "spdx" && (version === 3 || form === "bundle")) continue;
        const accepted = await cosignVerifies(version, form, "p256.pub", type, image);
        expect(accepted, `cosign ${version}: ${accepted.stderr}`).toMatchObject({ code: 0 });
        expect((await cosignVerifies(version, form, "p384.pub", type, image)).code).not.toBe(0);
        expect((await cosignVerifies(version, form, "p256.pub", "https://example.com/x", image)).code).not.toBe(0);
      }
      expect(await trust("verify", "--key", "p256.pub", "--type", type, image)).toMatchObject({ code: 0 });
    },
  );

  it.each(
    versions.flatMap((version) =>
      forms.flatMap((form) => Object.keys(predicates).map((type) => [version, form, type] as const)),
    ),
  )(
    "what cosign %i attests, form %s, type %s, is accepted, and its predicate is printed",
    async (version, form, type) => {
      const image = await newImage();
      const made = await cosignAttests(version, form, "p256.key", type, image);
      expect(made, made.stderr).toMatchObject({ code: 0 });
      expect(await trust("verify", "--key", "p256.pub", "--type", type, image)).toMatchObject({ code: 0 });
      expect(await trust("verify", "--key", "p384.pub", "--type", type, image)).toMatchObject({ code: 1 });
      expect(await trust("verify", "--key", "p256.pub", image)).toMatchObject({ code: 1 });
      const got = await trust("attestation", "get", "--key", "p256.pub", "--type", type, image);
      const predicate: unknown = JSON.parse(got.stdout);
      const given = predicates[type];
      if (type === "custom") expect(predicate).toMatchObject({ Data: JSON.stringify(given) });
      else if (type === "spdx") expect(predicate).toBe(given);
      else expect(predicate).toMatchObject({});
    },
  );

  it("signatures of cosign 2 on referrers of its experimental mode are found", async () => {
    const image = await newImage();
    const flags = ["--key", "p256.key", "--tlog-upload=false", "--yes", "--registry-referrers-mode", "oci-1-1"];
    const signed = await run(requirePeer("cosign2"), ["sign", ...flags, image], {
      env: { ...env, COSIGN_EXPERIMENTAL: "1" },
      cwd: folder.path,
    });
    expect(signed, signed.stderr).toMatchObject({ code: 0 });
    expect(await trust("verify", "--key", "p256.pub", image)).toMatchObject({ code: 0 });
    expect(await trust("verify", "--key", "p384.pub", image)).toMatchObject({ code: 1 });
  });

  it("what stands in another repository counts only where that repository is named", async () => {
    const repository = ["--signature-repository", `${registry.host}/signatures`];
    const image = await newImage();
    for (const form of forms)
      expect(await trust("sign", "--key", "p256.key", "--format", form, ...repository, image)).toMatchObject({
        code: 0,
      });
    expect(await trust("verify", "--key", "p256.pub", image)).toMatchObject({ code: 1 });
    expect(await trust("verify", "--key", "p256.pub", ...repository, image)).toMatchObject({ code: 0 });
  });
});
