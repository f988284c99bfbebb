import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { ecKey, email, type Issued, issueAuthority, issueLeaf, pemOf, san } from "../support/x509.ts";

const password = "test-password";
const identity = "ci@example.com";
const day = 24 * 3_600_000;

describePeers(["cosign2", "cosign3", "docker-registry"], "signatures of cosign with a certificate", () => {
  const folder = tempDir("interop-certificate-verify");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  let registry: { host: string; stop(): Promise<void> };
  let images = 0;

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  const newImage = async (): Promise<string> => {
    const image = `${registry.host}/certified/app${images++}:1`;
    const digest = await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return `${image.slice(0, -2)}@${digest}`;
  };
  const write = (name: string, text: string) => writeFileSync(join(folder.path, name), text);
  const flagsOf = (name: string) => [
    ...["--key", `${name}.key`, "--certificate", `${name}.crt`, "--certificate-chain", "chain.crt"],
  ];
  const own = ["--ca-roots", "root.crt", "--ca-intermediates", "int.crt"];

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const validity = { notBefore: Date.now() - day, notAfter: Date.now() + day };
    const root = issueAuthority("root", validity);
    const intermediate = issueAuthority("intermediate", { ...validity, issuer: root });
    write("root.crt", pemOf(root));
    write("int.crt", pemOf(intermediate));
    write("chain.crt", pemOf(intermediate, root));
    write("other.crt", pemOf(issueAuthority("root", validity)));
    const leaves: Readonly<Record<string, Issued>> = {
      leaf: issueLeaf(intermediate, { ...validity, key: ecKey(), extensions: [san([email(identity)])] }),
      old: issueLeaf(intermediate, {
        key: ecKey(),
        notBefore: validity.notBefore,
        notAfter: Date.now() - 60_000,
        extensions: [san([email(identity)])],
      }),
    };
    for (const [name, leaf] of Object.entries(leaves)) {
      write(`${name}.crt`, pemOf(leaf));
      write(`${name}.pem`, leaf.key.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
      const imported = await trust("key", "import", "--key", `${name}.pem`, "--output-prefix", name);
      expect(imported, imported.stderr).toMatchObject({ code: 0 });
    }
    write("predicate.json", "{}");
  });
  afterAll(async () => {
    await registry.stop();
    folder.cleanup();
  });

  const forms = {
    "cosign 2, .sig": (verb: string, name: string, ...more: string[]) =>
      cosign(2, verb, ...flagsOf(name), "--tlog-upload=false", "--yes", ...more),
    "cosign 3, .sig": (verb: string, name: string, ...more: string[]) =>
      cosign(
        3,
        verb,
        ...flagsOf(name),
        "--tlog-upload=false",
        "--use-signing-config=false",
        "--new-bundle-format=false",
        "--yes",
        ...more,
      ),
    "cosign 3, bundle": (verb: string, name: string, ...more: string[]) =>
      cosign(3, verb, ...flagsOf(name), "--tlog-upload=false", "--use-signing-config=false", "--yes", ...more),
  };

  it.each(Object.entries(forms))("%s: by the name in it and our roots, and by nothing else", async (form, make) => {
    const image = await newImage();
    const made = await make("sign", "leaf", image);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const named = ["--certificate-identity", identity];
    const verified = await trust("verify", ...named, ...own, "--output", "json", image);
    expect(verified, verified.stdout).toMatchObject({ code: 0 });
    const [{ policies, validUntil }] = JSON.parse(verified.stdout);
    expect(policies[0].satisfiedBy[0].signer).toEqual({ kind: "certificate", issuer: "CN=root", subject: identity });
    expect(Date.parse(validUntil)).toBeLessThanOrEqual(Date.parse(policies[0].satisfiedBy[0].expiresAt));
    const byPattern = ["--certificate-identity-regexp", "ci@.*"];
    expect(await trust("verify", ...byPattern, ...own, image)).toMatchObject({ code: 0 });
    for (const others of [
      ["--certificate-identity", "eve@example.com", ...own],
      ["--certificate-identity-regexp", "ci", ...own],
      [...named, "--ca-roots", "other.crt", "--ca-intermediates", "int.crt"],
      [...named, "--certificate-oidc-issuer", "https://issuer.example.com"],
    ])
      expect((await trust("verify", ...others, image)).code, others.join(" ")).toBe(1);
    // Cosign 3 leaves the chain out, in either form.
    const rootAlone = await trust("verify", ...named, "--ca-roots", "root.crt", image);
    expect(rootAlone.code).toBe(form.startsWith("cosign 3") ? 1 : 0);
  });

  it.each(Object.entries(forms))("%s: an attestation, too", async (_form, make) => {
    const image = await newImage();
    const made = await make("attest", "leaf", "--type", "custom", "--predicate", "predicate.json", image);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const flags = ["--certificate-identity", identity, ...own, "--type", "custom"];
    const verified = await trust("verify", ...flags, image);
    expect(verified, verified.stdout).toMatchObject({ code: 0 });
    const got = await trust("attestation", "get", ...flags, image);
    expect(JSON.parse(got.stdout)).toMatchObject({ Data: "{}" });
    expect(await trust("verify", "--certificate-identity", identity, ...own, image)).toMatchObject({ code: 1 });
  });

  it("is refused when the certificate has run out, and says so", async () => {
    const image = await newImage();
    const made = await forms["cosign 2, .sig"]("sign", "old", image);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const verified = await trust("verify", "--certificate-identity", identity, ...own, image);
    expect(verified).toMatchObject({ code: 1 });
    expect(verified.stdout).toContain("CERTIFICATE_EXPIRED");
  });
});
