import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { type CliOptions, runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { tempDir } from "../support/process.ts";
import { type Sigstore, startSigstore } from "../support/sigstore/index.ts";
import { type Service, startService } from "../support/sigstore/service.ts";
import { ecKey, issueAuthority, issueLeaf, pemOf } from "../support/x509.ts";

const folder = tempDir("keyless");
let sigstore: Sigstore;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let images = 0;

const write = (name: string, content: string | object) =>
  writeFileSync(join(folder.path, name), typeof content === "string" ? content : JSON.stringify(content));
const newImage = async () => {
  const image = `${new URL(registry.url).host}/app${images++}:1`;
  await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
  return image;
};
const trust = (args: readonly string[], options: Partial<CliOptions> = {}) =>
  runTrust(args, { env: { HOME: folder.path, ...options.env }, folder: folder.path, ...without(options) });
const without = ({ env: _, ...options }: Partial<CliOptions>) => options;
const services = ["--signing-config", "config.json", "--trusted-root", "root.json"];
const withToken = ["--identity-token", "token", ...services];

/** The tags and referrers of an image; nothing where nothing was pushed. */
const attachedTo = async (image: string) => {
  const { digest } = await createHttpRegistry({}).resolve(parseReference(image));
  const name = parseReference(image);
  const client = createHttpRegistry({});
  const { descriptors } = await client.listReferrers(name, digest, 1);
  const tags: string[] = [];
  for await (const tag of client.listTags(name)) tags.push(tag);
  return [...descriptors.map((descriptor) => String(descriptor.digest)), ...tags].filter((tag) => tag !== "1");
};

const bundleOf = async (image: string) => {
  const client = createHttpRegistry({});
  const name = parseReference(image);
  const { digest } = await client.resolve(name);
  const [referrer] = (await client.listReferrers(name, digest, 1)).descriptors;
  const { bytes } = await client.fetchManifest(name, referrer?.digest ?? digest);
  const [layer] = JSON.parse(Buffer.from(bytes).toString()).layers;
  return JSON.parse(Buffer.from(await client.fetchBlob(name, layer, 1_000_000)).toString());
};

beforeAll(async () => {
  sigstore = await startSigstore();
  registry = await startRegistry({ storage: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  write("root.json", sigstore.trustedRoot);
  write("config.json", sigstore.signingConfig());
  write("token", sigstore.identityToken());
});
afterEach(() => {
  for (const service of Object.values(sigstore.services)) service.trouble = undefined;
});
afterAll(async () => {
  await sigstore.stop();
  await registry.close();
  folder.cleanup();
});

describe("signing with an identity", () => {
  it.each([
    ["a log of Rekor v1", { logs: [1], timestamps: false }, ["0.0.1"], 0],
    ["a log of Rekor v1 and a timestamp", { logs: [1] }, ["0.0.1"], 1],
    ["a log of Rekor v2 and a timestamp", { logs: [2] }, ["0.0.2"], 1],
  ] as const)("makes a bundle with %s", async (_case, config, versions, timestamps) => {
    write("own-config.json", sigstore.signingConfig(config));
    const image = await newImage();
    const flags = ["--identity-token", "token", "--signing-config", "own-config.json", "--trusted-root", "root.json"];
    const signed = await trust(["sign", ...flags, "-o", "json", image]);
    expect(signed).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(signed.stdout)[0].certificate).toEqual({
      subject: "alice@example.com",
      issuer: sigstore.urls.issuer,
    });
    const { mediaType, verificationMaterial: material } = await bundleOf(image);
    expect(mediaType).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
    expect(Object.keys(material)).toContain("certificate");
    const entries: { kindVersion: { version: string } }[] = material.tlogEntries;
    expect(entries.map(({ kindVersion }) => kindVersion.version)).toEqual(versions);
    expect(material.timestampVerificationData?.rfc3161Timestamps ?? []).toHaveLength(timestamps);
  });

  it("asks nobody where nothing would prove when the certificate was used", async () => {
    write("timeless.json", sigstore.signingConfig({ logs: [2], timestamps: false }));
    const asked = Object.values(sigstore.services).flatMap(({ requests }) => requests).length;
    const flags = ["--identity-token", "token", "--signing-config", "timeless.json", "--trusted-root", "root.json"];
    const result = await trust(["sign", ...flags, await newImage()]);
    expect(result).toMatchObject({ code: 3 });
    expect(result.stderr).toContain("SIGNING_CONFIG_INVALID");
    expect(Object.values(sigstore.services).flatMap(({ requests }) => requests)).toHaveLength(asked);
  });

  it("sends nobody of a deployment of one's own to the public services", async () => {
    const flags = ["--identity-token", "token", "--trusted-root", "root.json"];
    const result = await trust(["sign", ...flags, await newImage()]);
    expect(result).toMatchObject({ code: 3 });
    expect(result.stderr).toContain("SIGNING_CONFIG_INVALID");
    expect(result.stderr).toContain("root.json");
  });

  it("leaves out no witness that a flag asks for", async () => {
    write("logless.json", sigstore.signingConfig({ logs: [] }));
    const flags = ["--identity-token", "token", "--signing-config", "logless.json", "--trusted-root", "root.json"];
    const result = await trust(["sign", ...flags, "--tlog", await newImage()]);
    expect(result).toMatchObject({ code: 3 });
    expect(result.stderr).toContain("SIGNING_CONFIG_INVALID");
  });

  it("asks for one certificate for many images", async () => {
    const wanted = [await newImage(), await newImage(), await newImage()];
    const before = sigstore.services.fulcio.requests.length;
    expect(await trust(["sign", ...withToken, ...wanted])).toMatchObject({ code: 0 });
    expect(sigstore.services.fulcio.requests.slice(before)).toEqual(["POST /api/v2/signingCert"]);
  });

  it("writes the .sig and .att forms, with a log of Rekor v1 alone", async () => {
    write("predicate.json", "{}");
    const image = await newImage();
    expect(await trust(["sign", ...withToken, "--format", "cosign", image])).toMatchObject({ code: 0 });
    const attest = ["attest", ...withToken, "--format", "cosign", "--predicate", "predicate.json", image];
    expect(await trust(attest)).toMatchObject({ code: 0 });
    expect((await attachedTo(image)).map((tag) => tag.slice(-4))).toEqual([".att", ".sig"]);
    write("v2.json", sigstore.signingConfig({ logs: [2] }));
    const flags = ["--identity-token", "token", "--signing-config", "v2.json", "--trusted-root", "root.json"];
    const refused = await trust(["sign", ...flags, "--format", "cosign", await newImage()]);
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain("SIGNING_CONFIG_INVALID");
  });

  it("replaces attestations of the same identity, and of no other under the same trust root", async () => {
    write("predicate.json", "{}");
    write("other-token", sigstore.identityToken({ email: "bob@example.com" }));
    const image = await newImage();
    for (const format of ["bundle", "cosign"]) {
      const attest = (token: string, ...more: string[]) =>
        trust([
          ...["attest", "--identity-token", token, ...services, "--predicate", "predicate.json", "-o", "json"],
          ...["--format", format, ...more, image],
        ]);
      await attest("other-token");
      const [own] = JSON.parse((await attest("token")).stdout);
      const [again] = JSON.parse((await attest("token", "--replace")).stdout);
      expect(again.replaced).toEqual([own.attestations[0].evidence]);
    }
  });

  it("signs files, and bundles are written only with an identity", async () => {
    write("file.txt", "content");
    const signed = await trust(["sign-blob", ...withToken, "--bundle", "file.json", "file.txt"]);
    expect(signed).toMatchObject({ code: 0 });
    const bundle = JSON.parse(readFileSync(join(folder.path, "file.json"), "utf8"));
    expect(bundle.verificationMaterial.tlogEntries[0].kindVersion).toEqual({ kind: "hashedrekord", version: "0.0.1" });
    expect(await trust(["sign-blob", ...withToken, "file.txt"])).toMatchObject({ code: 2 });
  });
});

describe("signing with a key that is witnessed", () => {
  it.each([
    ["--tlog", 1, 1, 0],
    ["--tlog", 2, 1, 0],
    ["--timestamp", 1, 0, 1],
  ] as const)("%s, Rekor v%i", async (flag, version, entries, timestamps) => {
    await trust(["key", "generate", "--output-prefix", `k${version}${flag}`], { env: { TRUST_PASSWORD: "" } });
    write("key-config.json", sigstore.signingConfig({ logs: [version], keyless: false }));
    const image = await newImage();
    const flags = ["--key", `k${version}${flag}.key`, flag, "--signing-config", "key-config.json", "--trusted-root"];
    const signed = await trust(["sign", ...flags, "root.json", image], { env: { TRUST_PASSWORD: "" } });
    expect(signed).toMatchObject({ code: 0, stderr: "" });
    const { verificationMaterial: material } = await bundleOf(image);
    expect(material.publicKey.hint).toMatch(/=$/);
    expect(material.tlogEntries ?? []).toHaveLength(entries);
    expect(material.timestampVerificationData?.rfc3161Timestamps ?? []).toHaveLength(timestamps);
  });

  it("is refused where the trust root does not prove the witness", async () => {
    const stranger = await startSigstore();
    const image = await newImage();
    const env = { TRUST_PASSWORD: "" };
    const flags = ["--key", "k1--tlog.key", "--rekor-url", stranger.urls.rekor, "--trusted-root", "root.json"];
    expect(await trust(["sign", ...flags, image], { env })).toMatchObject({ code: 1 });
    expect(await attachedTo(image)).toEqual([]);
    await stranger.stop();
  });
});

describe("signing with a certificate that is witnessed", () => {
  it("proves log entry and timestamp under the root of the certificate", async () => {
    const key = ecKey();
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const root = issueAuthority("own root", validity);
    const leaf = issueLeaf(root, { ...validity, key });
    write("own.pem", key.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    write("own.crt", pemOf(leaf));
    write("own.root.crt", pemOf(root));
    const env = { TRUST_PASSWORD: "" };
    await trust(["key", "import", "--key", "own.pem", "--output-prefix", "own"], { env });
    const image = await newImage();
    const own = ["--key", "own.key", "--cert", "own.crt", "--cert-chain", "own.root.crt", "--tlog", "--timestamp"];
    expect(await trust(["sign", ...own, ...services, image], { env })).toMatchObject({ code: 0 });
    const { verificationMaterial: material } = await bundleOf(image);
    expect(material.tlogEntries).toHaveLength(1);
    expect(material.timestampVerificationData.rfc3161Timestamps).toHaveLength(1);
    expect(material.certificate.rawBytes).toBe(leaf.der.toString("base64"));
    const stranger = await startSigstore();
    const other = ["--timestamp-url", `${stranger.urls.tsa}/api/v1/timestamp`];
    expect(await trust(["sign", ...own, ...services, ...other, image], { env })).toMatchObject({ code: 1 });
    await stranger.stop();
  });
});

describe("where an identity comes from", () => {
  const unread = ["--oidc-flow", "token", ...services];
  const signs = async (env: Readonly<Record<string, string>>) =>
    trust(["sign", ...unread, "--dry-run", await newImage()], { env });
  /** A service that gives tokens to whoever brings the secret. */
  const tokenService = async (name: string) =>
    startService(({ authorization, query }) =>
      authorization === "Bearer job-secret" && query.get("audience") === "sigstore"
        ? { status: 200, body: { [name]: sigstore.identityToken() } }
        : { status: 403, body: { message: `not for ${authorization}` } },
    );

  it("is SIGSTORE_ID_TOKEN, or what CircleCI sets", async () => {
    expect(await signs({ SIGSTORE_ID_TOKEN: sigstore.identityToken() })).toMatchObject({ code: 0 });
    expect(await signs({ CIRCLE_OIDC_TOKEN_V2: sigstore.identityToken() })).toMatchObject({ code: 0 });
  });

  it("is asked of GitHub Actions, which is not told secrets of others", async () => {
    const github = await tokenService("value");
    const job = { GITHUB_ACTIONS: "true", ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?x=1` };
    expect(await signs({ ...job, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-secret" })).toMatchObject({ code: 0 });
    const refused = await signs({ ...job, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "other-secret" });
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).not.toContain("other-secret");
    await github.stop();
    const unpermitted = await signs({ GITHUB_ACTIONS: "true" });
    expect(unpermitted).toMatchObject({ code: 3 });
    expect(unpermitted.stderr).toContain("id-token: write");
  });

  it("is asked of the metadata server of Google Cloud", async () => {
    const google: Service = await startService(({ path, query }) =>
      path === "/computeMetadata/v1/instance/service-accounts/default/identity" && query.get("audience") === "sigstore"
        ? { status: 200, body: sigstore.identityToken(), type: "text/html" }
        : undefined,
    );
    expect(await signs({ GCE_METADATA_HOST: new URL(google.url).host })).toMatchObject({ code: 0 });
    await google.stop();
  });

  it("is standard input", async () => {
    const args = ["sign", "--identity-token", "-", ...services, "--dry-run", await newImage()];
    expect(await trust(args, { stdin: `${sigstore.identityToken()}\n` })).toMatchObject({ code: 0 });
  });

  it("is not standard input where that is something else already", async () => {
    const token = ["--identity-token", "-", ...services];
    expect(await trust(["attest", ...token, "--predicate", "-", await newImage()])).toMatchObject({ code: 2 });
    expect(await trust(["sign-blob", ...token, "--bundle", "both.json", "-"])).toMatchObject({ code: 2 });
  });

  it("is nowhere: what was looked for is said, and nobody's browser opens", async () => {
    let opened = 0;
    const openBrowser = async () => Boolean(++opened);
    const image = await newImage();
    const inCi = await trust(["sign", ...services, image], { env: { CI: "true" }, answers: [], openBrowser });
    const withoutTerminal = await trust(["sign", ...services, image], { openBrowser });
    for (const result of [inCi, withoutTerminal]) {
      expect(result).toMatchObject({ code: 3 });
      expect(result.stderr).toMatch(/IDENTITY_TOKEN_NOT_FOUND.*SIGSTORE_ID_TOKEN.*GitHub Actions/s);
    }
    expect(opened).toBe(0);
    expect(await attachedTo(image)).toEqual([]);
  });

  it("is a person with a browser", async () => {
    const openBrowser = async (url: string) => (await fetch(url)).ok;
    const args = ["sign", ...services, "--yes", "--dry-run", await newImage()];
    const signed = await trust(args, { answers: [], openBrowser });
    expect(signed).toMatchObject({ code: 0 });
    expect(signed.stdout).toContain("alice@example.com");
  });

  it("is a person with a code", async () => {
    const args = ["sign", ...services, "--oidc-flow", "device", "--dry-run", await newImage()];
    const signed = await trust(args, { answers: [] });
    expect(signed).toMatchObject({ code: 0 });
    expect(signed.stderr).toContain("ABCD-EFGH");
  });

  it.each([
    ["has expired", { exp: 1 }],
    ["has an unverified address", { email: "eve@example.com", email_verified: false }],
    ["names nobody", { email: "", sub: "" }],
  ])("a token that %s is not sent", async (_case, claims) => {
    const before = sigstore.services.fulcio.requests.length;
    const result = await signs({ SIGSTORE_ID_TOKEN: sigstore.identityToken({ email: "x@example.com", ...claims }) });
    expect(result).toMatchObject({ code: 3 });
    expect(result.stderr).toContain("IDENTITY_TOKEN_INVALID");
    expect(sigstore.services.fulcio.requests).toHaveLength(before);
  });
});

describe("a token", () => {
  const secretsOf = (token: string) => [token, ...token.split(".")];

  it("never shows: not where it is malformed, refused or repeated by a service, nor with --verbose", async () => {
    const good = sigstore.identityToken();
    const [header = "", , signature = ""] = good.split(".");
    const tokens = [
      good,
      `${header}.bm90LWpzb24tYXQtYWxs.${signature}`,
      `${header}.${Buffer.from('{"iss":"https://x","sub":"someone-secret","exp":9999999999}').toString("base64url")}.${signature}`,
    ];
    for (const token of tokens) {
      const answer = { status: 400, body: { code: 3, message: `bad token: ${token}` } };
      sigstore.services.fulcio.trouble = { kind: "answer", answer };
      const env = { SIGSTORE_ID_TOKEN: token };
      const result = await trust(["sign", "--verbose", ...services, await newImage()], { env });
      expect(result.code).toBe(3);
      for (const secret of secretsOf(token)) expect(result.stdout + result.stderr).not.toContain(secret);
    }
  });

  it("is refused on the command line, and not repeated", async () => {
    const token = sigstore.identityToken();
    const result = await trust(["sign", "--identity-token", token, ...services, await newImage()]);
    expect(result).toMatchObject({ code: 2 });
    for (const secret of secretsOf(token)) expect(result.stderr).not.toContain(secret);
  });

  it("goes to no other machine over plain HTTP", async () => {
    const flags = ["--fulcio-url", "http://fulcio.example.com"];
    const result = await trust(["sign", ...withToken, ...flags, await newImage()]);
    expect(result).toMatchObject({ code: 3 });
    expect(result.stderr).toContain("INSECURE_TRANSPORT_REFUSED");
  });
});

describe("where a service fails", () => {
  it.each(["fulcio", "rekor", "tsa"] as const)(
    "nothing is pushed, and an outage is said to be one: %s",
    async (name) => {
      const image = await newImage();
      sigstore.services[name].trouble = { kind: "answer", answer: { status: 503, body: { message: "maintenance" } } };
      const before = sigstore.services[name].requests.length;
      const result = await trust(["sign", ...withToken, "--format", "bundle", "--format", "cosign", image]);
      expect(result).toMatchObject({ code: 4 });
      expect(result.stdout).toContain("SIGNING_SERVICE_UNAVAILABLE");
      expect(sigstore.services[name].requests.length - before).toBe(3);
      expect(await attachedTo(image)).toEqual([]);
    },
  );

  it("a log that cuts connections is an outage, too", async () => {
    const image = await newImage();
    sigstore.services.rekor.trouble = { kind: "outage" };
    expect(await trust(["sign", ...withToken, image])).toMatchObject({ code: 4 });
    expect(await attachedTo(image)).toEqual([]);
  });

  it("an entry that the trust root does not prove is not pushed", async () => {
    const stranger = await startSigstore();
    write("stranger.json", stranger.trustedRoot);
    const image = await newImage();
    const flags = ["--identity-token", "token", "--signing-config", "config.json", "--trusted-root", "stranger.json"];
    expect(await trust(["sign", ...flags, image])).toMatchObject({ code: 1 });
    const otherLog = ["--rekor-url", stranger.urls.rekor];
    expect(await trust(["sign", ...withToken, ...otherLog, image])).toMatchObject({ code: 1 });
    const otherAuthority = ["--timestamp-url", `${stranger.urls.tsa}/api/v1/timestamp`];
    expect(await trust(["sign", ...withToken, ...otherAuthority, image])).toMatchObject({ code: 1 });
    expect(await attachedTo(image)).toEqual([]);
    await stranger.stop();
  });

  it("an answer that is no entry, and one without end, are refused", async () => {
    for (const body of ["{}", "[]", "x".repeat(2 * 1024 * 1024), '{"a":{"body":"e30="}}']) {
      const image = await newImage();
      sigstore.services.rekor.trouble = { kind: "answer", answer: { status: 201, body } };
      expect(await trust(["sign", ...withToken, image])).toMatchObject({ code: 4 });
      expect(await attachedTo(image)).toEqual([]);
    }
  });
});

describe("a person at a terminal", () => {
  it("is told once that the log is public, unless they know", async () => {
    const wanted = [await newImage(), await newImage()];
    const told = await trust(["sign", ...withToken, ...wanted], { colors: true });
    expect(told.stderr.match(/everybody may read/g)).toHaveLength(1);
    expect(told.stderr).toContain("alice@example.com");
    expect((await trust(["sign", ...withToken, "--yes", ...wanted], { colors: true })).stderr).not.toContain("read");
    expect((await trust(["sign", ...withToken, ...wanted])).stderr).toBe("");
  });
});
