import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { certificateClaims } from "../../src/crypto/fulcio-claims.ts";
import { parseCertificate } from "../../src/crypto/x509.ts";
import { identitiesOf } from "../../src/crypto/x509-identity.ts";
import { run, tempDir } from "../support/process.ts";
import { githubClaims } from "../support/sigstore/claims.ts";
import { type Sigstore, startSigstore } from "../support/sigstore/index.ts";

const client = join(import.meta.dirname, "client");
const folder = tempDir("conformance");
const file = (name: string) => join(folder.path, name);
const call = (...args: string[]) => run(client, args, { cwd: folder.path, env: { HOME: folder.path } });
const identity = "alice@example.com";
let sigstore: Sigstore;

const digestOf = (name: string) =>
  `sha256:${createHash("sha256")
    .update(readFileSync(file(name)))
    .digest("hex")}`;

beforeAll(async () => {
  sigstore = await startSigstore();
  writeFileSync(file("root.json"), JSON.stringify(sigstore.trustedRoot));
  writeFileSync(file("artifact"), "artifact\n");
  writeFileSync(file("other"), "other\n");
});
afterAll(async () => {
  await sigstore.stop();
  folder.cleanup();
});

const verify = (bundle: string, artifact: string, who = identity, issuer = sigstore.urls.issuer) =>
  call(
    ...["verify-bundle", "--bundle", bundle, "--certificate-identity", who, "--certificate-oidc-issuer", issuer],
    ...["--trusted-root", "root.json", artifact],
  );
const sign = (bundle: string, artifact: string, ...more: string[]) =>
  call(
    ...["sign-bundle", ...more, "--identity-token", sigstore.identityToken(), "--bundle", bundle],
    ...["--trusted-root", "root.json", "--signing-config", "config.json", artifact],
  );

/** Whom the certificate of a bundle names; read by the parser under test, which verifies nothing here. */
const leafOf = (path: string) => {
  const { verificationMaterial: material } = JSON.parse(readFileSync(path, "utf8"));
  const { rawBytes } = material.certificate ?? material.x509CertificateChain.certificates[0];
  const certificate = parseCertificate(Buffer.from(rawBytes, "base64"));
  return { identity: identitiesOf(certificate)[0]?.value ?? "", issuer: certificateClaims(certificate).issuer ?? "" };
};

describe.each([
  [1, { logs: [1], timestamps: false }],
  [2, { logs: [2] }],
] as const)("the conformance client with Rekor v%i", (version, config) => {
  beforeAll(() => writeFileSync(file("config.json"), JSON.stringify(sigstore.signingConfig(config))));

  it("signs a file, and verifies it by the file and by its digest", async () => {
    const bundle = `blob${version}.json`;
    expect(await sign(bundle, "artifact")).toMatchObject({ code: 0 });
    expect(await verify(bundle, "artifact")).toMatchObject({ code: 0 });
    expect(await verify(bundle, digestOf("artifact"))).toMatchObject({ code: 0 });
    expect((await verify(bundle, "other")).code).not.toBe(0);
    expect((await verify(bundle, digestOf("other"))).code).not.toBe(0);
    expect((await verify(bundle, "artifact", "eve@example.com")).code).not.toBe(0);
    expect((await verify(bundle, "artifact", identity, "https://issuer.example.com")).code).not.toBe(0);
  });

  it("signs a statement about a file, and verifies it by the file and by its digest", async () => {
    const bundle = `statement${version}.json`;
    const subject = [{ name: "artifact", digest: { sha256: digestOf("artifact").slice("sha256:".length) } }];
    const statement = { _type: "https://in-toto.io/Statement/v1", subject, predicateType: "https://example.com/p" };
    writeFileSync(file("statement"), JSON.stringify({ ...statement, predicate: {} }));
    expect(await sign(bundle, "statement", "--in-toto")).toMatchObject({ code: 0 });
    expect(await verify(bundle, "artifact")).toMatchObject({ code: 0 });
    expect(await verify(bundle, digestOf("artifact"))).toMatchObject({ code: 0 });
    expect((await verify(bundle, "other")).code).not.toBe(0);
  });
});

describe("the conformance client", () => {
  it("does not succeed in what it does not understand, and never repeats the token", async () => {
    const token = sigstore.identityToken(githubClaims());
    const wrong = [
      [],
      ["verify"],
      ["verify-bundle", "artifact"],
      ["verify-bundle", "--bundle", "none.json", "--certificate-identity", identity, "artifact"],
      ["sign-bundle", "--bundle", "x.json", "artifact"],
      ["sign-bundle", "--identity-token", `${token}x.y`, "--bundle", "x.json", "artifact"],
      ["sign-bundle", "--staging", "--identity-token", token, "--bundle", "x.json", "artifact"],
      ["verify-bundle", "--unknown", "artifact"],
    ];
    for (const args of wrong) {
      const result = await call(...args);
      expect(result.code, args[0]).not.toBe(0);
      expect(result.stdout + result.stderr).not.toContain(token);
    }
  });

  it("knows staging, and nothing of staging is believed without it", async () => {
    const bundle = join(import.meta.dirname, "../fixtures/sigstore/staging-rekor2-dsse.json");
    const { payload } = JSON.parse(readFileSync(bundle, "utf8")).dsseEnvelope;
    const [subject] = JSON.parse(Buffer.from(payload, "base64").toString()).subject;
    const leaf = leafOf(bundle);
    const digest = `sha256:${subject.digest.sha256}`;
    const who = ["--certificate-identity", leaf.identity, "--certificate-oidc-issuer", leaf.issuer];
    expect(await call("verify-bundle", "--staging", "--bundle", bundle, ...who, digest)).toMatchObject({ code: 0 });
    expect((await call("verify-bundle", "--bundle", bundle, ...who, digest)).code).not.toBe(0);
    expect((await call("verify-bundle", "--staging", "--bundle", bundle, ...who, digestOf("artifact"))).code).toBe(1);
  });
});
