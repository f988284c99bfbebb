// biome-ignore-all lint/suspicious/noAssignInExpressions: changes of one field each, in a table
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDsseEnvelope } from "../../src/crypto/dsse.ts";
import { parsePublicKey } from "../../src/crypto/public-key.ts";
import { parseAnnotationMaterial } from "../../src/trust/annotation-material.ts";
import { type BundleVersion, parseBundleMaterial } from "../../src/trust/bundle-material.ts";
import { embeddedTrustRoot } from "../../src/trust/embedded.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { bytesContent, envelopeContent, messageContent } from "../../src/trust/signed-content.ts";
import type { TrustRoot } from "../../src/trust/trust-root.ts";
import { type ProvedMaterial, verifyMaterial } from "../../src/trust/verify-material.ts";
import { sequence } from "../crypto/der.ts";
import { codeOfRejection } from "../support/errors.ts";
import { createAuthority, issueTimestamper } from "../support/sigstore/authority.ts";
import { githubIssuer } from "../support/sigstore/claims.ts";
import { base64 } from "../support/sigstore/jcs.ts";
import { logKey } from "../support/sigstore/log-key.ts";
import { trustedRootOf } from "../support/sigstore/world.ts";
import { codeSigning, ecKey, ed25519Key, eku, extension, issue, keyUsage, oid, rsaKey } from "../support/x509.ts";
import { type Json, type MadeSpec, make, newWorld, prove, rootOf, signedAt } from "./made-bundle.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/sigstore/${name}`, import.meta.url));
const keyFixture = (name: string) =>
  parsePublicKey(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8"));
const rootFixture = (name: string) => parseTrustRoot(fixture(name), { name, source: { kind: "file" } });

async function publicGood(): Promise<TrustRoot> {
  const root = await embeddedTrustRoot("public-good");
  if (root === undefined) throw new Error("no embedded root");
  return root;
}

function requestOf(bundle: Json) {
  const version = (/0\.[123]/.exec(bundle.mediaType)?.[0] ?? "0.3") as BundleVersion;
  const { dsseEnvelope: envelope, messageSignature: message } = bundle;
  const fromBase64 = (text: string) => Buffer.from(text, "base64");
  const content =
    envelope === undefined
      ? messageContent(fromBase64(message.signature), { sha256: fromBase64(message.messageDigest.digest) })
      : envelopeContent(parseDsseEnvelope(Buffer.from(JSON.stringify(envelope))));
  return { material: parseBundleMaterial(bundle.verificationMaterial, version), content };
}

const bundleOf = (name: string) => JSON.parse(fixture(name).toString());
const times = ({ times }: ProvedMaterial) => times.map(({ at, source }) => `${source} ${new Date(at).toISOString()}`);

describe("what real clients made", () => {
  it("verifies cosign 3 with Rekor v1 and a timestamp", async () => {
    const proved = await verifyMaterial({
      ...requestOf(bundleOf("cosign3-keyless-rekor1.json")),
      root: rootFixture("trusted_root.json"),
    });
    expect(times(proved)).toEqual(["timestamp 2026-11-20T23:26:13.000Z", "log 2026-11-20T23:26:13.000Z"]);
    expect(proved.counts).toEqual({ log: 1, timestamp: 1, logOrTimestamp: 2, sct: 1 });
    expect(proved.issuer).toBe("https://issuer.example.com");
    expect(proved.unsafe).toEqual([]);
  });

  it("verifies cosign 3 with Rekor v2 and a timestamp", async () => {
    const proved = await verifyMaterial({
      ...requestOf(bundleOf("cosign3-keyless-rekor2.json")),
      root: rootFixture("trusted_root.json"),
    });
    expect(times(proved)).toEqual(["timestamp 2026-11-20T23:26:14.000Z"]);
    expect(proved.path?.chain.map(({ subject }) => subject.text.includes("fulcio"))).toEqual([false, true, true]);
  });

  it("verifies a key with Rekor v2, for that key only", async () => {
    const request = { ...requestOf(bundleOf("cosign3-key-rekor2.json")), root: rootFixture("trusted_root.json") };
    const proved = await verifyMaterial({ ...request, key: keyFixture("cosign-keys/cosign.pub") });
    expect(proved.counts).toEqual({ log: 1, timestamp: 0, logOrTimestamp: 1, sct: 0 });
    expect(proved.leaf).toBeUndefined();
    const other = verifyMaterial({ ...request, key: keyFixture("cosign-keys/nopass.pub") });
    expect(await codeOfRejection(other)).toBe("LOG_ENTRY_MISMATCH");
    expect(await codeOfRejection(verifyMaterial(request))).toBe("SIGNER_NOT_TRUSTED");
  });

  it.each([
    ["keyless", undefined],
    ["key-rekor1", "cosign-keys/cosign.pub"],
  ])("verifies annotations of cosign 2: %s", async (name, key) => {
    const { annotations } = bundleOf(`cosign2-${name}-manifest.json`).layers[0];
    const signature = Buffer.from(annotations["dev.cosignproject.cosign/signature"], "base64");
    const request = {
      material: parseAnnotationMaterial(annotations),
      root: rootFixture("trusted_root.json"),
      ...(key !== undefined && { key: keyFixture(key) }),
    };
    const payload = fixture(`cosign2-${name}-payload.json`);
    const proved = await verifyMaterial({ ...request, content: bytesContent(signature, payload) });
    expect(proved.times.map(({ source }) => source)).toEqual(["log"]);
    const other = Buffer.concat([payload, Buffer.from(" ")]);
    const wrong = verifyMaterial({ ...request, content: bytesContent(signature, other) });
    expect(await codeOfRejection(wrong)).toBe("LOG_ENTRY_MISMATCH");
  });

  it("verifies npm's provenance with the embedded public-good root", async () => {
    const proved = await verifyMaterial({
      ...requestOf(bundleOf("real-npm-provenance.json")),
      root: await publicGood(),
    });
    expect(times(proved)).toEqual(["log 2023-08-18T16:05:35.000Z"]);
    expect(proved.claims).toMatchObject({
      issuer: githubIssuer,
      sourceRepositoryURI: "https://github.com/sigstore/sigstore-js",
      sourceRepositoryVisibilityAtSigning: "public",
      githubWorkflowRepository: "sigstore/sigstore-js",
    });
  });

  it("verifies a staging bundle: Rekor v2, Sigstore's own timestamp authority, P-384", async () => {
    const request = requestOf(bundleOf("staging-rekor2-dsse.json"));
    const proved = await verifyMaterial({ ...request, root: rootFixture("staging-trusted-root.json") });
    expect(times(proved)).toEqual(["timestamp 2025-07-25T19:53:04.000Z"]);
    expect(proved.counts).toEqual({ log: 1, timestamp: 1, logOrTimestamp: 2, sct: 1 });
    expect(proved.claims).toMatchObject({ issuer: githubIssuer, runnerEnvironment: "github-hosted" });
  });

  it("verifies npm's own key with the log", async () => {
    const request = {
      ...requestOf(bundleOf("real-npm-publish.json")),
      key: parsePublicKey(fixture("real-npm-publish.pub").toString()),
    };
    expect(times(await verifyMaterial({ ...request, root: await publicGood() }))).toEqual([
      "log 2023-04-18T17:45:16.000Z",
    ]);
    const elsewhere = verifyMaterial({ ...request, root: rootFixture("trusted_root.json") });
    expect(await codeOfRejection(elsewhere)).toBe("EVIDENCE_MISSING");
  });

  it("verifies a checkpoint under the name of a test deployment", async () => {
    const proved = await verifyMaterial({
      ...requestOf(bundleOf("scaffolding-othername.json")),
      root: rootFixture("scaffolding-trusted-root.json"),
    });
    expect(proved.leaf?.subjectAlternativeNames).toMatchObject([{ type: "otherName", value: "foo!oidc.local" }]);
  });

  it("refuses a bundle that brings a root along", () => {
    expect(() => requestOf(bundleOf("real-dsse-0.1.json"))).toThrow("certificates");
  });

  it("refuses evidence under another root", async () => {
    const request = requestOf(bundleOf("cosign3-keyless-rekor2.json"));
    expect(await codeOfRejection(verifyMaterial({ ...request, root: await publicGood() }))).toBe("EVIDENCE_MISSING");
  });
});

const stamped: MadeSpec = { timestamps: [{}] };
const v2: MadeSpec = { ...stamped, entries: ["hashedrekord 0.0.2"] };

describe("what is accepted", () => {
  it.each<[string, MadeSpec]>([
    ["dsse 0.0.1", {}],
    ["intoto 0.0.2", { entries: ["intoto 0.0.2"] }],
    ["hashedrekord 0.0.1 over an envelope", { entries: ["hashedrekord 0.0.1"] }],
    ["hashedrekord 0.0.1", { entries: ["hashedrekord 0.0.1"], content: "message" }],
    ["hashedrekord 0.0.2", { ...v2, content: "message" }],
    ["hashedrekord 0.0.2 over an envelope", v2],
    ["dsse 0.0.2", { ...v2, entries: ["dsse 0.0.2"] }],
    ["a key", { plain: true }],
    ["a key with Rekor v2 and no time", { plain: true, entries: ["hashedrekord 0.0.2"] }],
    ["an Ed25519 key", { plain: true, key: ed25519Key() }],
    ["an RSA key", { plain: true, key: rsaKey() }],
    ["a certificate for P-384", { key: ecKey("P-384") }],
    ["both logs", { ...v2, entries: ["dsse 0.0.1", "hashedrekord 0.0.2"] }],
    ["a timestamp with its certificates", { ...v2, timestamps: [{ certificates: true }] }],
    ["a timestamp with parts of a second", { ...v2, timestamps: [{ at: signedAt + 1, fraction: true }] }],
    ["a timestamp over SHA-512", { ...v2, timestamps: [{ digest: "sha512" }] }],
  ])("%s", async (_, spec) => {
    const made = make(newWorld(), spec);
    const proved = await prove(made);
    expect(proved.logs.length).toBe(spec.entries?.length ?? 1);
    expect(proved.leaf?.raw).toEqual(made.leaf?.der);
  });

  it("takes checkpoints with witnesses, of an ECDSA log, and of an Ed25519 log with the id of Rekor v1", async () => {
    for (const options of [{ witnesses: 3 }, { rekor2Key: () => ecKey() }, { rekor2Key: () => ecKey("P-384") }])
      expect((await prove(make(newWorld(options), v2))).counts.log).toBe(1);
  });

  it("believes both ends of a window", async () => {
    const made = make(newWorld(), stamped);
    const end = new Date(signedAt).toISOString();
    const root = rootOf(made.world, (json) => {
      json.tlogs[0].publicKey.validFor = { start: end, end };
      json.timestampAuthorities[0].validFor = { start: end, end };
      json.certificateAuthorities[0].validFor = { start: end, end };
    });
    expect((await prove(made, { root })).times.length).toBe(2);
  });

  it("finds the issuer of the SCT in the proved path, not by name", async () => {
    const world = newWorld();
    const decoy = createAuthority({
      organization: "sigstore.test",
      commonName: "sigstore",
      newKey: ecKey,
      notBefore: world.beginning,
      purpose: codeSigning,
    });
    const root = rootOf(world, (json) => {
      const [own] = json.certificateAuthorities;
      const certificates = decoy.chain.map(({ der }) => ({ rawBytes: base64(der) }));
      json.certificateAuthorities = [{ ...own, certChain: { certificates } }, own];
    });
    expect((await prove(make(world), { root })).counts.sct).toBe(1);
  });

  it("takes a timestamp's certificates from the token where the root has only what issued them", async () => {
    const world = newWorld();
    const withChain = make(world, { ...v2, timestamps: [{ certificates: true }] });
    const without = make(world, v2);
    for (const kept of [1, 2]) {
      const root = rootOf(world, (json) => {
        const { certChain } = json.timestampAuthorities[0];
        certChain.certificates = certChain.certificates.slice(-kept);
      });
      expect((await prove(withChain, { root })).counts.timestamp).toBe(1);
      expect(await codeOfRejection(prove(without, { root }))).toBe("EVIDENCE_MISSING");
    }
  });

  it("takes no other certificate of a timestamp authority than the one that the root names", async () => {
    const world = newWorld();
    const other = issueTimestamper(world.tsa, ecKey(), world.beginning);
    const made = make(world, { ...v2, timestamps: [{ signer: other, certificates: true }] });
    expect(await codeOfRejection(prove(made))).toBe("EVIDENCE_MISSING");
  });

  it("lets no authority borrow the window of another", async () => {
    const made = make(newWorld(), v2);
    const stranger = newWorld();
    const root = rootOf(made.world, (json) => {
      const [own] = json.timestampAuthorities;
      const [other] = trustedRootOf(stranger).timestampAuthorities;
      json.timestampAuthorities = [{ ...own, validFor: { ...own.validFor, end: iso(signedAt - 1000) } }, other];
    });
    expect(await codeOfRejection(prove(made, { root }))).toBe("TIMESTAMP_INVALID");
  });

  it("knows a log or an authority that has several windows", async () => {
    const made = make(newWorld(), stamped);
    const root = rootOf(made.world, (json) => {
      const past = { start: iso(0), end: iso(1000) };
      const [log] = json.tlogs;
      const [tsa] = json.timestampAuthorities;
      const [ct] = json.ctlogs;
      json.tlogs.unshift({ ...log, publicKey: { ...log.publicKey, validFor: past } });
      json.timestampAuthorities.unshift({ ...tsa, validFor: past });
      json.ctlogs.unshift({ ...ct, publicKey: { ...ct.publicKey, validFor: past } });
    });
    expect((await prove(made, { root })).counts).toEqual({ log: 1, timestamp: 1, logOrTimestamp: 2, sct: 1 });
  });

  it("counts operators, not logs or entries", async () => {
    const made = make(newWorld(), { ...stamped, entries: ["dsse 0.0.1", "intoto 0.0.2", "hashedrekord 0.0.2"] });
    expect((await prove(made)).counts.log).toBe(2);
    const root = rootOf(made.world, (json) => {
      json.mediaType = "application/vnd.dev.sigstore.trustedroot.v0.2+json";
      for (const log of json.tlogs) log.operator = "one.test";
    });
    const proved = await prove(made, { root });
    expect([proved.logs.length, proved.counts.log]).toEqual([3, 1]);
    const require = { log: 2, timestamp: 0, logOrTimestamp: 0, sct: 0 };
    expect(await codeOfRejection(prove(made, { root, require }))).toBe("EVIDENCE_MISSING");
  });

  it("proves entries of Rekor v1 by the tree alone, where a timestamp says when", async () => {
    const made = make(newWorld(), stamped);
    const change = (material: Json) => void delete material.tlogEntries[0].inclusionPromise;
    const proved = await prove(made, { change });
    expect(proved.times.map(({ source }) => source)).toEqual(["timestamp"]);
    expect(proved.logs[0]?.integratedAt).toBeUndefined();
    const root = rootOf(made.world, (json) => void (json.tlogs[0].publicKey.validFor.end = iso(signedAt - 1000)));
    expect(await codeOfRejection(prove(made, { change, root }))).toBe("LOG_ENTRY_INVALID");
  });

  it("proves entries by the promise alone, in version 0.1", async () => {
    const made = make(newWorld());
    const change = (material: Json) => void delete material.tlogEntries[0].inclusionProof;
    expect((await prove(made, { change, version: "0.1" })).counts.log).toBe(1);
  });

  it("leaves out what it does not know: entries, SCTs and timestamps of others", async () => {
    const world = newWorld();
    const other = newWorld();
    const made = make(world, { ...v2, leaf: { logs: [other.ctlog, world.ctlog] } });
    const foreign = make(other, v2).material;
    const proved = await prove(made, {
      change: (material) => {
        material.tlogEntries.push(foreign.tlogEntries[0]);
        material.timestampVerificationData.rfc3161Timestamps.push(
          foreign.timestampVerificationData.rfc3161Timestamps[0],
        );
      },
    });
    expect(proved.counts).toEqual({ log: 1, timestamp: 1, logOrTimestamp: 2, sct: 1 });
  });

  it("shows minima that are lower than the root's", async () => {
    const made = make(newWorld(), { ...v2, leaf: { logs: [] } });
    expect(await codeOfRejection(prove(made))).toBe("EVIDENCE_MISSING");
    const require = { log: 1, timestamp: 0, logOrTimestamp: 1, sct: 0 };
    expect((await prove(made, { require })).unsafe).toEqual([expect.stringContaining("SCT")]);
  });
});

type Change = ((json: Json) => unknown) | undefined;
type Case = [string, string, MadeSpec, Change?, Change?];
const entry = (material: Json) => material.tlogEntries[0];
const proof = (material: Json) => entry(material).inclusionProof;
const flip = (text: string, at = 40) => {
  const bytes = Buffer.from(text, "base64");
  bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1;
  return base64(bytes);
};
const day = 86_400_000;
const iso = (at: number) => new Date(at).toISOString();

const refused: readonly Case[] = [
  ["no evidence at all", "EVIDENCE_MISSING", {}, (m) => void (m.tlogEntries = [])],
  ["a time that nobody signed", "EVIDENCE_MISSING", { entries: ["hashedrekord 0.0.2"] }],
  [
    "a time that nobody signed, written into the entry",
    "EVIDENCE_MISSING",
    {},
    (m) => void delete entry(m).inclusionPromise,
  ],
  [
    "an unsigned time at which the certificate was not valid",
    "LOG_ENTRY_INVALID",
    v2,
    (m) => void (entry(m).integratedTime = "1600000000"),
  ],
  ["a timestamp alone where a log is wanted", "EVIDENCE_MISSING", stamped, (m) => void (m.tlogEntries = [])],
  [
    "another integrated time",
    "LOG_ENTRY_INVALID",
    {},
    (m) => void (entry(m).integratedTime = String(signedAt / 1000 + 1)),
  ],
  ["another log index", "LOG_ENTRY_INVALID", {}, (m) => void (entry(m).logIndex = "7")],
  ["a log index beyond 2^53", "LOG_ENTRY_INVALID", {}, (m) => void (entry(m).logIndex = "9007199254740993")],
  [
    "another promise",
    "LOG_ENTRY_INVALID",
    {},
    (m) => void (entry(m).inclusionPromise.signedEntryTimestamp = flip(entry(m).inclusionPromise.signedEntryTimestamp)),
  ],
  ["another kind than the body", "LOG_ENTRY_INVALID", {}, (m) => void (entry(m).kindVersion.kind = "hashedrekord")],
  ["another version than the body", "LOG_ENTRY_INVALID", {}, (m) => void (entry(m).kindVersion.version = "0.0.2")],
  [
    "a log key that is not yet valid",
    "LOG_ENTRY_INVALID",
    {},
    undefined,
    (r) => void (r.tlogs[0].publicKey.validFor.start = iso(signedAt + 1000)),
  ],
  [
    "a log key that is no longer valid",
    "LOG_ENTRY_INVALID",
    {},
    undefined,
    (r) => void (r.tlogs[0].publicKey.validFor.end = iso(signedAt - 1000)),
  ],
  [
    "a Rekor v2 key that is no longer valid",
    "LOG_ENTRY_INVALID",
    v2,
    undefined,
    (r) => void (r.tlogs[1].publicKey.validFor.end = iso(signedAt - 1000)),
  ],
  [
    "a Rekor v2 key that is not yet valid",
    "LOG_ENTRY_INVALID",
    v2,
    undefined,
    (r) => void (r.tlogs[1].publicKey.validFor.start = iso(signedAt + 1000)),
  ],
  [
    "another key under the id of the log",
    "LOG_ENTRY_INVALID",
    {},
    undefined,
    (r) => void (r.tlogs[0].publicKey.rawBytes = r.ctlogs[0].publicKey.rawBytes),
  ],
  ["no proof", "SIGNATURE_MALFORMED", {}, (m) => void delete entry(m).inclusionProof],
  ["another root hash", "LOG_PROOF_INVALID", {}, (m) => void (proof(m).rootHash = flip(proof(m).rootHash))],
  ["another tree size", "LOG_PROOF_INVALID", {}, (m) => void (proof(m).treeSize = "4")],
  ["another index in the tree", "LOG_PROOF_INVALID", {}, (m) => void (proof(m).logIndex = "1")],
  ["an index outside the tree", "LOG_PROOF_INVALID", {}, (m) => void (proof(m).logIndex = "3")],
  ["a hash less", "LOG_PROOF_INVALID", {}, (m) => void proof(m).hashes.pop()],
  ["a hash more", "LOG_PROOF_INVALID", {}, (m) => void proof(m).hashes.push(proof(m).rootHash)],
  ["a short hash", "LOG_PROOF_INVALID", {}, (m) => void (proof(m).hashes[0] = base64(Buffer.alloc(31)))],
  [
    "a checkpoint without signature",
    "LOG_PROOF_INVALID",
    {},
    (m) => void (proof(m).checkpoint.envelope = proof(m).checkpoint.envelope.replace(/\u2014.*\n/, "")),
  ],
  [
    "a checkpoint under another name",
    "LOG_PROOF_INVALID",
    {},
    (m) => void (proof(m).checkpoint.envelope = proof(m).checkpoint.envelope.replace("\u2014 rekor", "\u2014 other")),
  ],
  [
    "a checkpoint of another origin",
    "LOG_PROOF_INVALID",
    v2,
    (m) => void (proof(m).checkpoint.envelope = proof(m).checkpoint.envelope.replace(/^log/, "lag")),
  ],
  [
    "a log that is known under another address",
    "LOG_PROOF_INVALID",
    v2,
    undefined,
    (r) => void (r.tlogs[1].baseUrl = "https://other.test"),
  ],
  [
    "the checkpoint of another log",
    "LOG_PROOF_INVALID",
    { ...v2, entries: ["hashedrekord 0.0.2", "dsse 0.0.1"] },
    (m) => void (proof(m).checkpoint = m.tlogEntries[1].inclusionProof.checkpoint),
  ],
  ["another index of a Rekor v2 entry", "LOG_PROOF_INVALID", v2, (m) => void (entry(m).logIndex = "1")],
  ["one entry twice", "LOG_ENTRY_INVALID", {}, (m) => void m.tlogEntries.push(entry(m))],
  [
    "one entry twice, under another index",
    "LOG_ENTRY_INVALID",
    v2,
    (m) => void m.tlogEntries.push({ ...entry(m), logIndex: "0" }),
  ],
  [
    "a known log's bad entry beside a good one",
    "LOG_PROOF_INVALID",
    { ...stamped, entries: ["dsse 0.0.1", "hashedrekord 0.0.2"] },
    (m) => void m.tlogEntries[1].inclusionProof.hashes.pop(),
  ],
  ["a leaf before its validity", "CERTIFICATE_EXPIRED", { leaf: { at: signedAt + 1000 } }],
  ["a leaf after its validity", "CERTIFICATE_EXPIRED", { leaf: { at: signedAt - day } }],
  ["one of two times outside", "CERTIFICATE_EXPIRED", { ...stamped, integratedTime: signedAt / 1000 + 3600 }],
  ["one of two timestamps outside", "CERTIFICATE_EXPIRED", { ...v2, timestamps: [{}, { at: signedAt + 3_600_000 }] }],
  ["a leaf that is not for signing code", "CERTIFICATE_INVALID", { leaf: { purposes: ["1.3.6.1.5.5.7.3.1"] } }],
  ["a leaf without a purpose", "CERTIFICATE_INVALID", { leaf: { purposes: [] } }],
  [
    "an authority outside its window",
    "CERTIFICATE_UNTRUSTED",
    {},
    undefined,
    (r) => void (r.certificateAuthorities[0].validFor.end = iso(signedAt - 1000)),
  ],
  [
    "an SCT of another time than the log's",
    "SCT_INVALID",
    {},
    undefined,
    (r) => void (r.ctlogs[0].publicKey.validFor.end = iso(signedAt - day)),
  ],
  ["an SCT for another issuer", "SCT_INVALID", { leaf: { sctIssuer: { key: ecKey() } } }],
  ["no SCT", "EVIDENCE_MISSING", { leaf: { logs: [] } }],
  ["an SCT of a log that is not known", "EVIDENCE_MISSING", { leaf: { logs: [logKey("elsewhere.test", ecKey())] } }],
  ["an empty list of SCTs", "SCT_INVALID", { leaf: { scts: () => [] } }],
  ["an SCT that is cut off", "SCT_INVALID", { leaf: { scts: ([one = Buffer.of()]) => [one.subarray(0, -1)] } }],
  ["a timestamp over something else", "TIMESTAMP_INVALID", { ...v2, timestamps: [{ imprint: Buffer.alloc(32) }] }],
  [
    "a timestamp outside the authority's window",
    "TIMESTAMP_INVALID",
    v2,
    undefined,
    (r) => void (r.timestampAuthorities[0].validFor.end = iso(signedAt - 1000)),
  ],
  [
    "a timestamp twice",
    "TIMESTAMP_INVALID",
    v2,
    (m) => {
      const { rfc3161Timestamps: all } = m.timestampVerificationData;
      all.push(all[0]);
    },
  ],
  [
    "a timestamp that is no DER",
    "TIMESTAMP_INVALID",
    v2,
    (m) => void (m.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp = base64(Buffer.from("none"))),
  ],
  [
    "another signature in the entry",
    "LOG_ENTRY_MISMATCH",
    { body: ({ spec }) => void (spec.signatures[0].signature = base64(Buffer.alloc(70, 1))) },
  ],
  [
    "another payload in the entry",
    "LOG_ENTRY_MISMATCH",
    { body: ({ spec }) => void (spec.payloadHash.value = "00".repeat(32)) },
  ],
  [
    "another digest in the entry",
    "LOG_ENTRY_MISMATCH",
    { entries: ["hashedrekord 0.0.1"], body: ({ spec }) => void (spec.data.hash.value = "00".repeat(32)) },
  ],
  [
    "another digest in a Rekor v2 entry",
    "LOG_ENTRY_MISMATCH",
    { ...v2, body: ({ spec }) => void (spec.hashedRekordV002.data.digest = base64(Buffer.alloc(32))) },
  ],
  [
    "a digest in another hash",
    "LOG_ENTRY_MISMATCH",
    {
      content: "message",
      entries: ["hashedrekord 0.0.1"],
      body: ({ spec }) => void (spec.data.hash = { algorithm: "sha512", value: "00".repeat(64) }),
    },
  ],
  [
    "another payload type in the entry",
    "LOG_ENTRY_MISMATCH",
    { entries: ["intoto 0.0.2"], body: ({ spec }) => void (spec.content.envelope.payloadType = "text/plain") },
  ],
  [
    "another verifier in the entry",
    "LOG_ENTRY_MISMATCH",
    {
      ...v2,
      body: ({ spec }) =>
        void (spec.hashedRekordV002.signature.verifier = { publicKey: { rawBytes: base64(Buffer.alloc(9)) } }),
    },
  ],
  ["an envelope's entry for an artifact", "LOG_ENTRY_MISMATCH", { content: "message" }],
  ["an entry of an unknown kind", "LOG_ENTRY_INVALID", { body: (body) => void (body.kind = "rekord") }],
  ["an entry of an unknown version", "LOG_ENTRY_INVALID", { body: (body) => void (body.apiVersion = "0.0.9") }],
  [
    "an entry with two signatures",
    "LOG_ENTRY_INVALID",
    { body: ({ spec }) => void spec.signatures.push(spec.signatures[0]) },
  ],
  ["an entry without the digest", "LOG_ENTRY_INVALID", { body: ({ spec }) => void delete spec.payloadHash }],
  [
    "an entry with a digest of the wrong length",
    "LOG_ENTRY_INVALID",
    { body: ({ spec }) => void (spec.payloadHash.value = "00") },
  ],
  [
    "an entry with a weak digest",
    "LOG_ENTRY_INVALID",
    { body: ({ spec }) => void (spec.payloadHash = { algorithm: "sha1", value: "00".repeat(20) }) },
  ],
];

describe("what is refused, with the code of its step", () => {
  it.each(refused)("%s", async (_, code, spec, change, changeRoot) => {
    const made = make(newWorld(), spec);
    const root = rootOf(made.world, changeRoot, spec === stamped ? { log: true } : undefined);
    expect(await codeOfRejection(prove(made, { root, ...(change && { change }) }))).toBe(code);
  });

  it("parts of another signature", async () => {
    const world = newWorld();
    const [one, other] = [make(world, stamped), make(world, stamped)];
    const codes = [];
    for (const field of ["certificate", "tlogEntries", "timestampVerificationData"]) {
      const change = (material: Json) => void (material[field] = other.material[field]);
      codes.push(await codeOfRejection(prove(one, { change })));
    }
    expect(codes).toEqual(["LOG_ENTRY_MISMATCH", "LOG_ENTRY_MISMATCH", "TIMESTAMP_INVALID"]);
  });

  it("a timestamp whose certificate has other purposes, or is not critical about this one", async () => {
    const own = "1.3.6.1.5.5.7.3.8";
    for (const purpose of [eku(own), extension("2.5.29.37", sequence(oid(own), oid(codeSigning)), true)]) {
      const world = newWorld();
      const { tsa, beginning: notBefore } = world;
      const key = ecKey();
      const extensions = [keyUsage(0), purpose];
      const signer = issue({ subject: "stamper", key, issuer: tsa.issuer, notBefore, extensions });
      const made = make(world, { ...v2, timestamps: [{ signer }] });
      const root = rootOf(world, (json) => {
        json.timestampAuthorities[0].certChain.certificates[0].rawBytes = base64(signer.der);
      });
      expect(await codeOfRejection(prove(made, { root }))).toBe("TIMESTAMP_INVALID");
    }
  });
});

describe("bounds", () => {
  it("refuses ten thousand entries, many timestamps, long proofs and large values before any signature is verified", async () => {
    const made = make(newWorld(), v2);
    const many: readonly ((material: Json) => void)[] = [
      (m) => void (m.tlogEntries = Array.from({ length: 10_000 }, () => entry(m))),
      (m) =>
        void (m.timestampVerificationData.rfc3161Timestamps = Array.from({ length: 17 }, () => ({
          signedTimestamp: "AAAA",
        }))),
      (m) => void (proof(m).hashes = Array.from({ length: 65 }, () => proof(m).rootHash)),
    ];
    const large: typeof many = [
      (m) => void (entry(m).canonicalizedBody = base64(Buffer.alloc(200_000))),
      (m) => void (m.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp = base64(Buffer.alloc(200_000))),
    ];
    for (const change of [...many, ...large])
      expect(await codeOfRejection(prove(made, { change }))).toBe("SIGNATURE_MALFORMED");
  });
});

describe("any change of one byte", () => {
  const facts = ({ leaf, claims, logs, times: all }: ProvedMaterial) => ({
    whose: JSON.stringify([leaf?.fingerprint, claims]),
    evidence: [...all, ...logs.map(({ entry: { body }, log }) => [log.baseUrl, base64(body)])].map((one) =>
      JSON.stringify(one),
    ),
  });

  it.each<[string, MadeSpec]>([
    ["Rekor v1", stamped],
    ["Rekor v2", v2],
  ])(
    "makes nothing else believed, and throws nothing but a TrustError: %s",
    async (_, spec) => {
      const made = make(newWorld(), spec);
      const root = rootOf(made.world, undefined, { log: false });
      const before = facts(await prove(made, { root }));
      const text = Buffer.from(JSON.stringify(made.material));
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
          const changed = Buffer.from(text);
          changed[at] = (changed[at] ?? 0) ^ mask;
          let material: Json;
          try {
            material = JSON.parse(changed.toString());
          } catch {
            return;
          }
          const proved = await prove({ ...made, material }, { root }).catch((error) => error);
          if (proved instanceof Error) {
            expect(proved.name, proved.stack).toBe("TrustError");
            return;
          }
          accepted++;
          // A witness whose name is changed is unknown, and its evidence as if it were not there.
          expect(facts(proved).whose).toBe(before.whose);
          for (const one of facts(proved).evidence) expect(before.evidence).toContain(one);
        }),
        { numRuns: 2000 },
      );
      expect(accepted).toBeLessThan(200);
    },
    60_000,
  );
});
