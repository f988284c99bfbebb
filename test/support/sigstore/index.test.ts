import "reflect-metadata";
import { createHash, webcrypto, X509Certificate } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { bundleToJSON } from "@sigstore/bundle";
import {
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
  type Witness,
} from "@sigstore/sign";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBundle } from "./bundles.ts";
import { type Claims, githubClaims } from "./claims.ts";
import { type Sigstore, startSigstore } from "./index.ts";
import { accepted, judge, judgeByPeer } from "./judges.ts";
import { createTree, leafHash } from "./merkle.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore({ witnesses: 2 });
});
afterAll(() => sigstore?.stop());

describe("the Sigstore of the tests, with @sigstore/sign", () => {
  const noRetry = { retry: 0, timeout: 5_000 };
  const signer = () =>
    new FulcioSigner({
      fulcioBaseURL: sigstore.urls.fulcio,
      identityProvider: { getToken: async () => sigstore.identityToken(githubClaims()) },
      ...noRetry,
    });
  const rekor = (version: 1 | 2, entryType: "dsse" | "intoto" = "dsse") =>
    new RekorWitness({
      rekorBaseURL: version === 1 ? sigstore.urls.rekor : sigstore.urls.rekor2,
      majorApiVersion: version,
      entryType,
      ...noRetry,
    });
  const tsa = () => new TSAWitness({ tsaBaseURL: sigstore.urls.tsa, ...noRetry });

  const ways: readonly (readonly [string, () => Witness[]])[] = [
    ["Rekor v1", () => [rekor(1)]],
    ["Rekor v1 as intoto, and a timestamp", () => [rekor(1, "intoto"), tsa()]],
    ["Rekor v2 and a timestamp", () => [rekor(2), tsa()]],
    ["both logs and a timestamp", () => [rekor(1), rekor(2), tsa()]],
  ];

  it.each(ways)("makes envelopes and messages that both verifiers accept: %s", async (name, witnesses) => {
    const artifact = Buffer.from(`signed with ${name}`);
    const type = "application/vnd.in-toto+json";
    const builders = [
      new DSSEBundleBuilder({ signer: signer(), witnesses: witnesses() }),
      new MessageSignatureBundleBuilder({ signer: signer(), witnesses: witnesses() }),
    ];
    for (const builder of builders) {
      const bundle = JSON.stringify(bundleToJSON(await builder.create({ data: artifact, type })));
      const subject = { name, bundle, artifact, root: sigstore.trustedRoot };
      expect([await judge(subject), judgeByPeer(subject)]).toEqual([accepted, accepted]);
    }
  });

  it("fails as it is told to, and works again", async () => {
    const sign = () =>
      new DSSEBundleBuilder({ signer: signer(), witnesses: [rekor(1)] }).create({ data: Buffer.from("x"), type: "x" });
    const { rekor: service } = sigstore.services;
    service.trouble = { kind: "outage" };
    await expect(sign()).rejects.toMatchObject({ code: "TLOG_CREATE_ENTRY_ERROR" });
    service.trouble = { kind: "answer", answer: { status: 503, body: "later" } };
    await expect(sign()).rejects.toMatchObject({ code: "TLOG_CREATE_ENTRY_ERROR" });
    service.trouble = undefined;
    await expect(sign()).resolves.toMatchObject({});
  });

  it("issues for a certificate request that is signed, and for no other", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const made = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm });
    const ask = (pem: string) =>
      fetch(`${sigstore.urls.fulcio}/api/v2/signingCert`, {
        method: "POST",
        headers: { authorization: `Bearer ${sigstore.identityToken()}` },
        body: JSON.stringify({ certificateSigningRequest: Buffer.from(pem).toString("base64") }),
      });
    const answer = await ask(made.toString("pem"));
    expect(JSON.stringify(await answer.json())).toContain("BEGIN CERTIFICATE");
    const der = Buffer.from(made.rawData);
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    expect(await ask(forged)).toMatchObject({ status: 400 });
  });

  it("names identities as Fulcio does", async () => {
    const { world } = sigstore;
    const sanOf = (claims: Claims) => new X509Certificate(makeBundle(world, { claims }).leaf?.der ?? "").subjectAltName;
    const iss = "https://issuer.example.com";
    const names = {
      email: sanOf({ iss, email: "alice@example.com", sub: "1" }),
      github: sanOf(githubClaims()),
      gitlab: sanOf({
        iss,
        sub: "x",
        project_path: "acme/app",
        ci_config_ref_uri: "gitlab.com/acme/app//ci.yml@refs/x",
      }),
      spiffe: sanOf({ iss, sub: "spiffe://acme.test/app" }),
      kubernetes: sanOf({ iss, sub: "system:serviceaccount:prod:builder" }),
    };
    expect(names).toEqual({
      email: "email:alice@example.com",
      github: "URI:https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
      gitlab: "URI:https://gitlab.com/acme/app//ci.yml@refs/x",
      spiffe: "URI:spiffe://acme.test/app",
      kubernetes: "URI:https://kubernetes.io/namespaces/prod/serviceaccounts/builder",
    });
  });

  it("logs an entry once, and finds it by its id and index", async () => {
    const entries = `${sigstore.urls.rekor}/api/v1/log/entries`;
    const key = sigstore.world.ctlog.publicKey.export({ type: "spki", format: "pem" });
    const hash = { algorithm: "sha256", value: "00".repeat(32) };
    const signature = { content: "AAAA", publicKey: { content: Buffer.from(key).toString("base64") } };
    const proposed = { apiVersion: "0.0.1", kind: "hashedrekord", spec: { data: { hash }, signature } };
    const post = () => fetch(entries, { method: "POST", body: JSON.stringify(proposed) });
    const [first, second] = [await post(), await post()];
    expect([first.status, second.status]).toEqual([201, 409]);
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    const made = (await first.json()) as Record<string, { readonly logIndex: number; readonly body: string }>;
    const [[uuid, { logIndex, body }] = ["", { logIndex: 0, body: "" }]] = Object.entries(made);
    for (const found of [`${entries}/${uuid}`, `${entries}?logIndex=${logIndex}`])
      expect(await (await fetch(found)).json()).toMatchObject({ [uuid]: { logIndex, body } });
  });

  it("serves the tiles of its second log, from which the root follows", async () => {
    const { tree } = sigstore.world.rekor2;
    const width = tree.size;
    const read = async (path: string) =>
      Buffer.from(await (await fetch(`${sigstore.urls.rekor2}/${path}`)).arrayBuffer());
    const [, size, root] = (await read("checkpoint")).toString().split("\n");
    const hashes = await read(`tile/0/000.p/${width}`);
    const entries = await read(`tile/entries/000.p/${width}`);
    expect(size).toBe(String(width));
    expect(leafHash(entries.subarray(2, 2 + entries.readUInt16BE(0)))).toEqual(hashes.subarray(0, 32));
    const nodes = Array.from({ length: width }, (_, at) => hashes.subarray(32 * at, 32 * (at + 1)));
    expect(referenceRoot(nodes).toString("base64")).toBe(root);
  });
});

/** RFC 6962 §2.1, as it is written there. */
function referenceRoot(hashes: readonly Buffer[]): Buffer {
  const [first = createHash("sha256").digest()] = hashes;
  if (hashes.length <= 1) return first;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const halves = [referenceRoot(hashes.slice(0, split)), referenceRoot(hashes.slice(split))];
  return createHash("sha256")
    .update(Buffer.concat([Buffer.of(1), ...halves]))
    .digest();
}

describe("the Merkle tree", () => {
  const tree = createTree();
  const leaves = Array.from({ length: 600 }, (_, at) => Buffer.from(`leaf ${at}`));
  for (const leaf of leaves) tree.append(leaf);

  it.each([1, 2, 3, 7, 8, 255, 256, 257, 600])("has the root of RFC 6962 at size %d", (size) => {
    expect(tree.root(size)).toEqual(referenceRoot(leaves.slice(0, size).map(leafHash)));
  });

  it("has tiles of the roots of complete subtrees", () => {
    expect(tree.tile(0, 0)).toHaveLength(256);
    expect(tree.tile(0, 2)).toHaveLength(88);
    expect(tree.tile(1, 0)).toEqual([tree.root(256), referenceRoot(leaves.slice(256, 512).map(leafHash))]);
  });
});
