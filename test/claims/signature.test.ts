import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bundleClaims, envelopeClaims, jwsClaims, simpleSigningClaims } from "../../src/claims/signature.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../fixtures", path));

/** A bundle as cosign 3 writes it without a key, cut to what is shown. */
function keylessBundle() {
  const pem = read("x509/keyless/email-cosign3.crt").toString();
  const rawBytes = pem.replace(/-----[^-]+-----|\s/g, "");
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256: "ab" }, annotations: { env: "prod" } }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
  };
  const body = { apiVersion: "0.0.1", kind: "dsse" };
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      certificate: { rawBytes },
      tlogEntries: [
        {
          logIndex: "5000004",
          logId: { keyId: Buffer.from("ff00", "hex").toString("base64") },
          integratedTime: "1795217173",
          inclusionPromise: { signedEntryTimestamp: "AAAA" },
          canonicalizedBody: Buffer.from(JSON.stringify(body)).toString("base64"),
        },
      ],
    },
    dsseEnvelope: {
      payload: Buffer.from(JSON.stringify(statement)).toString("base64"),
      payloadType: "application/vnd.in-toto+json",
      signatures: [{ sig: "AAAA", keyid: "" }],
    },
  };
}

describe("what a signature says", () => {
  test("in a bundle: subject, certificate with Fulcio's claims, log entry", () => {
    expect(bundleClaims(Buffer.from(JSON.stringify(keylessBundle())))).toMatchObject({
      form: "bundle",
      isAttestation: false,
      subjects: ["sha256:ab"],
      annotations: { env: "prod" },
      certificates: [
        {
          names: ["email:alice@example.com"],
          extendedKeyUsage: ["codeSigning"],
          fulcio: { issuer: "https://issuer.example.com" },
        },
      ],
      log: [
        {
          logIndex: "5000004",
          logId: "ff00",
          integratedTime: "2026-11-20T23:26:13Z",
          kind: "dsse 0.0.1",
          hasPromise: true,
          hasProof: false,
        },
      ],
      problems: [],
    });
  });

  test("in a bundle of a file: its digest", () => {
    const messageSignature = {
      messageDigest: { algorithm: "SHA2_256", digest: Buffer.from("abcd", "hex").toString("base64") },
      signature: "AAAA",
    };
    const bundle = { ...keylessBundle(), dsseEnvelope: undefined, messageSignature };
    expect(bundleClaims(Buffer.from(JSON.stringify(bundle)))).toMatchObject({
      subjects: ["sha256:abcd"],
      isAttestation: false,
      signatures: 1,
    });
  });

  test("in a bundle of Rekor 2: the time of its timestamp, and a log entry without one", () => {
    expect(bundleClaims(read("sigstore/cosign3-keyless-rekor2.json"))).toMatchObject({
      timestamps: [{ bytes: 510, time: "2026-11-20T23:26:14Z" }],
      log: [{ kind: "hashedrekord 0.0.2", log: "rekor2.test", hasPromise: false, hasProof: true }],
    });
  });

  test("in Notation's JWS: target, chain, signing time", () => {
    expect(jwsClaims(read("notation/jws-ec256.json"))).toMatchObject({
      form: "notation-jws",
      subjects: ["sha256:225c053e702701ce5d0627608165ae0af9bd4df989a3b0959d0ad72f43e917c2"],
      certificates: [
        { subject: "C=US, ST=WA, O=Acme, OU=Build, CN=ec256" },
        { isAuthority: true },
        { isAuthority: true },
      ],
      signingTime: "2026-11-20T23:30:56Z",
      signatures: 1,
    });
  });

  test("in cosign's annotations: certificate and log entry beside simple signing", () => {
    const bundle = {
      SignedEntryTimestamp: "AAAA",
      Payload: { integratedTime: 1_795_217_140, logIndex: 5, logID: "97" },
    };
    const claims = simpleSigningClaims(
      Buffer.from('{"critical":{"image":{"docker-manifest-digest":"sha256:ab"}},"optional":{"a":"b"}}'),
      {
        "dev.cosignproject.cosign/signature": "AAAA",
        "dev.sigstore.cosign/certificate": read("x509/keyless/email-cosign2.crt").toString(),
        "dev.sigstore.cosign/bundle": JSON.stringify(bundle),
      },
    );
    expect(claims).toMatchObject({
      subjects: ["sha256:ab"],
      annotations: { a: "b" },
      certificates: [{ names: ["email:alice@example.com"] }],
      log: [{ logIndex: "5", integratedTime: "2026-11-20T23:25:40Z", hasPromise: true }],
    });
  });

  test("that it is an attestation is told by the statement, and two signatures are a problem", () => {
    const payload = Buffer.from('{"predicateType":"https://slsa.dev/provenance/v1"}').toString("base64");
    const claims = envelopeClaims(Buffer.from(JSON.stringify({ payload, payloadType: "t", signatures: [{}, {}] })));
    expect(claims).toMatchObject({ isAttestation: true, signatures: 2 });
    expect(claims.problems).toEqual([expect.stringMatching(/2 signatures/)]);
  });
});
