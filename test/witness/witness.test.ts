import { createHash, hash, sign } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { dssePae, formatDsseEnvelope } from "../../src/crypto/dsse.ts";
import { createServiceClient } from "../../src/oci/service.ts";
import { rekorV1 } from "../../src/witness/rekor-v1.ts";
import { rekorV2 } from "../../src/witness/rekor-v2.ts";
import { timestampAuthority } from "../../src/witness/timestamp.ts";
import { askAll, type Witness, type Witnessed } from "../../src/witness/witness.ts";
import { codeOfRejection } from "../support/errors.ts";
import { type KeyKind, keyKinds, newPrivateKey, signerOf } from "../support/signers.ts";
import { type Sigstore, startSigstore } from "../support/sigstore/index.ts";

const client = createServiceClient({ retry: { attempts: 2, base: 1, maxPause: 1 } });
let sigstore: Sigstore;

beforeAll(async () => {
  sigstore = await startSigstore();
});
afterEach(() => {
  for (const service of Object.values(sigstore.services)) service.trouble = undefined;
});
afterAll(async () => {
  client.close();
  await sigstore.stop();
});

const witnesses = (): Readonly<Record<string, Witness>> => ({
  v1: rekorV1(sigstore.urls.rekor, client),
  v2: rekorV2(`${sigstore.urls.rekor2}/`, client),
  tsa: timestampAuthority(`${sigstore.urls.tsa}/api/v1/timestamp`, client),
});
const witness = (name: string): Witness => witnesses()[name] as Witness;

const message = Buffer.from("message");
const keys = Object.fromEntries(keyKinds.map((kind) => [kind, newPrivateKey(kind)])) as Record<
  KeyKind,
  ReturnType<typeof newPrivateKey>
>;

function witnessed(kind: KeyKind, isEnvelope = false): Witnessed {
  const privateKey = keys[kind];
  const type = "application/vnd.in-toto+json";
  const signed = isEnvelope ? dssePae(type, message) : message;
  const signature = sign(kind === "ed25519" ? null : "sha256", signed, privateKey);
  const { publicKey } = signerOf(privateKey);
  const envelope = isEnvelope ? { envelope: formatDsseEnvelope(type, message, signature) } : {};
  return { signature, sha256: hash("sha256", signed, "buffer"), publicKey, ...envelope };
}

describe("logs", () => {
  it.each(keyKinds.filter((kind) => kind !== "ed25519"))("take a message that a bare %s key signed", async (kind) => {
    const { entries } = await witness("v1").testify(witnessed(kind));
    expect(entries).toMatchObject([{ kind: "hashedrekord", version: "0.0.1" }]);
    expect(entries[0]?.inclusionPromise).toBeDefined();
  });

  it("of Rekor v2 take bare keys, and answer without a promise", async () => {
    const { entries } = await witness("v2").testify(witnessed("p256"));
    expect(entries).toMatchObject([{ kind: "hashedrekord", version: "0.0.2", integratedTime: undefined }]);
    const body = JSON.parse(entries[0]?.canonicalizedBody.toString() ?? "");
    expect(body.spec.hashedRekordV002.signature.verifier).toEqual({
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      publicKey: { rawBytes: signerOf(keys.p256).publicKey.spki.toString("base64") },
    });
  });

  it("take envelopes: Rekor v1 as they stand, Rekor v2 by the digest of what is signed", async () => {
    const asked = witnessed("p256", true);
    const [first] = (await witness("v1").testify(asked)).entries;
    const { spec } = JSON.parse(first?.canonicalizedBody.toString() ?? "");
    expect(first).toMatchObject({ kind: "dsse", version: "0.0.1" });
    expect(spec.envelopeHash.value).toBe(
      createHash("sha256")
        .update(asked.envelope ?? "")
        .digest("hex"),
    );
    const [second] = (await witness("v2").testify(asked)).entries;
    const data = JSON.parse(second?.canonicalizedBody.toString() ?? "").spec.hashedRekordV002.data;
    expect(data.digest).toBe(Buffer.from(asked.sha256).toString("base64"));
  });

  it("are not asked about Ed25519 signatures of messages, which they could not check", async () => {
    expect(await codeOfRejection(witness("v1").testify(witnessed("ed25519")))).toBe("KEY_UNSUPPORTED");
    expect(await codeOfRejection(witness("v2").testify(witnessed("ed25519")))).toBe("KEY_UNSUPPORTED");
    expect((await witness("v1").testify(witnessed("ed25519", true))).entries).toHaveLength(1);
  });

  it("of Rekor v2 are not asked about curves that are registered with other hashes", async () => {
    for (const kind of ["p384", "p521"] as const)
      expect(await codeOfRejection(witness("v2").testify(witnessed(kind)))).toBe("KEY_UNSUPPORTED");
    expect((await witness("v2").testify(witnessed("rsa"))).entries).toHaveLength(1);
  });

  it("give an entry that is there already", async () => {
    const asked = witnessed("p256");
    const [first] = (await witness("v1").testify(asked)).entries;
    const [again] = (await witness("v1").testify(asked)).entries;
    expect(again?.canonicalizedBody).toEqual(first?.canonicalizedBody);
  });

  it("do not lead to other hosts", async () => {
    const answer = { status: 409, body: {}, headers: { location: "http://127.0.0.1:1/api/v1/log/entries/x" } };
    sigstore.services.rekor.trouble = { kind: "answer", answer };
    expect(await codeOfRejection(witness("v1").testify(witnessed("p256")))).toBe("SIGNING_SERVICE_UNAVAILABLE");
  });
});

describe("a timestamp authority", () => {
  it("stamps the signature, or what is to be stamped instead", async () => {
    for (const stamped of [undefined, Buffer.from("envelope")]) {
      const { timestamps } = await witness("tsa").testify({ ...witnessed("p256"), stamped });
      expect(timestamps).toHaveLength(1);
    }
  });

  it("is not believed where it stamps something else, refuses, or answers nonsense", async () => {
    const other = await witness("tsa").testify(witnessed("p384"));
    const bodies = [other.timestamps[0] ?? "", Buffer.from("30053003020102", "hex"), "nonsense", ""];
    for (const body of bodies) {
      sigstore.services.tsa.trouble = {
        kind: "answer",
        answer: { status: 200, body, type: "application/timestamp-reply" },
      };
      expect(await codeOfRejection(witness("tsa").testify(witnessed("p256")))).toBe("SIGNING_SERVICE_REFUSED");
    }
  });
});

describe.each([
  ["v1", "rekor"],
  ["v2", "rekor2"],
  ["tsa", "tsa"],
] as const)("the service %s", (name, service) => {
  it("that fails is asked a bounded number of times, and said to be down", async () => {
    const { requests } = sigstore.services[service];
    for (const trouble of [{ kind: "outage" }, { kind: "answer", answer: { status: 502, body: "" } }] as const) {
      sigstore.services[service].trouble = trouble;
      const before = requests.length;
      expect(await codeOfRejection(witness(name).testify(witnessed("p256")))).toBe("SIGNING_SERVICE_UNAVAILABLE");
      expect(requests.length - before).toBe(2);
    }
  });

  it("that refuses is asked once", async () => {
    const { requests } = sigstore.services[service];
    sigstore.services[service].trouble = { kind: "answer", answer: { status: 400, body: { message: "no" } } };
    const before = requests.length;
    expect(await codeOfRejection(witness(name).testify(witnessed("p256")))).toBe("SIGNING_SERVICE_REFUSED");
    expect(requests.length - before).toBe(1);
  });

  it("is left when the time is up", async () => {
    sigstore.services[service].trouble = { kind: "slow", ms: 60_000 };
    const aborted = AbortSignal.timeout(50);
    expect(await codeOfRejection(witness(name).testify(witnessed("p256"), aborted))).toBe("DEADLINE_EXCEEDED");
  });
});

it("all witnesses must answer, and all that they say is kept", async () => {
  const all = Object.values(witnesses());
  const { entries, timestamps } = await askAll(all, witnessed("p256"));
  expect([entries.length, timestamps.length]).toEqual([2, 1]);
  sigstore.services.tsa.trouble = { kind: "outage" };
  expect(await codeOfRejection(askAll(all, witnessed("p256")))).toBe("SIGNING_SERVICE_UNAVAILABLE");
});
