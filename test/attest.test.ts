import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attestImage } from "../src/attest.ts";
import { digestOf } from "../src/crypto/digest.ts";
import { attestationTag, cosign } from "../src/formats/cosign.ts";
import type { SignatureFormat } from "../src/formats/format.ts";
import { formats } from "../src/formats/index.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import type { Signer } from "../src/keys/signer.ts";
import { openPlaces } from "../src/oci/places.ts";
import { type ImageReference, parseReference } from "../src/oci/reference.ts";
import type { TrustPolicy } from "../src/policy/policy.ts";
import { defaultSettings } from "../src/policy/settings.ts";
import { signImage } from "../src/sign.ts";
import { createAttestationVerifier } from "../src/verify-attestations.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
let serial = 0;
const alice = newSigner();
const bob = newSigner("ed25519");
const type = "https://example.com/tests/v1";
const other = "https://example.com/other/v1";

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const newImage = () => stage.newImage(`attested${serial++}:1`);
const attest = (
  image: ImageReference,
  format: SignatureFormat,
  more: {
    signer?: Signer;
    type?: string;
    replace?: boolean;
    predicate?: string;
    signatureRepository?: ImageReference;
  } = {},
) =>
  attestImage(stage.registry, {
    image,
    signer: more.signer ?? alice,
    formats: [format],
    predicateType: more.type ?? type,
    predicate: Buffer.from(more.predicate ?? `{"run":${serial++}}`),
    replace: more.replace,
    signatureRepository: more.signatureRepository,
    now: stage.clock.now,
  });

function trusts(...signers: readonly Signer[]): TrustPolicy {
  const [first = alice, ...rest] = signers.map(({ publicKey }) => publicKey);
  return {
    name: "test",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "ci", keys: [first as Signer["publicKey"], ...rest] }],
    threshold: 1,
    source: "test",
  };
}

const verify = (image: string, policy: TrustPolicy, predicateType = type, signatureRepository?: ImageReference) =>
  createAttestationVerifier({
    registry: stage.registry,
    policies: () => ({ policies: [policy], revision: "1" }),
    settings: defaultSettings,
    signatureRepository,
    now: () => stage.clock.now,
  }).verify({ image, predicateType });

/** The predicates that count, as text. */
const predicates = async (image: string, policy = trusts(alice)) =>
  (await verify(image, policy)).attestations
    .map(({ statement }) =>
      JSON.stringify((JSON.parse(Buffer.from(statement).toString()) as { predicate: unknown }).predicate),
    )
    .sort();

describe.each(formats.map((format) => [format.name, format] as const))(
  "attestations in the form %s",
  (_name, format) => {
    it("are made about the digest, found again, and count for their key and type alone", async () => {
      const image = await newImage();
      const made = await attest(image.ref, format, { predicate: '{"ok":true}' });
      expect(made).toMatchObject({ digest: image.digest, predicateType: type, replaced: [], dryRun: false });
      const { verdict, attestations } = await verify(image.text, trusts(alice));
      expect(verdict).toMatchObject({ outcome: "allow", status: "trusted", digest: image.digest });
      expect(attestations).toMatchObject([{ kind: "attestation", predicateType: type, subject: image.digest }]);
      expect(JSON.parse(Buffer.from(attestations[0]?.statement ?? []).toString())).toMatchObject({
        predicateType: type,
        predicate: { ok: true },
        subject: [{ digest: { sha256: image.digest.slice(7) } }],
      });
      expect((await verify(image.text, trusts(bob))).verdict).toMatchObject({
        outcome: "deny",
        policies: [{ findings: [{ code: "NO_ATTESTATION", authority: "ci" }, { code: "SIGNER_NOT_TRUSTED" }] }],
      });
      const another = await verify(image.text, trusts(alice), other);
      expect(another.attestations).toEqual([]);
      expect(another.verdict).toMatchObject({
        outcome: "deny",
        policies: [{ findings: [{ code: "NO_ATTESTATION" }, { code: "PREDICATE_TYPE_MISMATCH" }] }],
      });
    });

    it("are no signature of the image, and a signature is no attestation", async () => {
      const image = await newImage();
      await attest(image.ref, format);
      expect((await stage.verifier([trusts(alice)]).verify({ image: image.text })).outcome).toBe("deny");
      const signed = await newImage();
      await signImage(stage.registry, { image: signed.ref, signer: alice, formats: [format], now: 0 });
      const { verdict, attestations } = await verify(signed.text, trusts(alice), "https://sigstore.dev/cosign/sign/v1");
      expect([verdict.outcome, attestations]).toEqual(["deny", []]);
    });

    it("stand side by side, and --replace takes away the signer's own of that type alone", async () => {
      const image = await newImage();
      await attest(image.ref, format, { predicate: "1" });
      await attest(image.ref, format, { predicate: "2" });
      await attest(image.ref, format, { predicate: "3", signer: bob });
      await attest(image.ref, format, { predicate: "4", type: other });
      await signImage(stage.registry, { image: image.ref, signer: alice, formats: [format], now: 0 });
      expect(await predicates(image.text, trusts(alice, bob))).toEqual(["1", "2", "3"]);
      const { replaced } = await attest(image.ref, format, { predicate: "5", replace: true });
      expect(replaced).toHaveLength(2);
      expect(await predicates(image.text, trusts(alice, bob))).toEqual(["3", "5"]);
      expect((await verify(image.text, trusts(alice), other)).verdict.outcome).toBe("allow");
      expect((await stage.verifier([trusts(alice)]).verify({ image: image.text })).outcome).toBe("allow");
      expect((await attest(image.ref, format, { predicate: "6", signer: bob, replace: true })).replaced).toHaveLength(
        1,
      );
      expect(await predicates(image.text, trusts(alice, bob))).toEqual(["5", "6"]);
    });

    it("by eight at once all stay", async () => {
      const image = await newImage();
      await Promise.all(Array.from({ length: 8 }, (_, i) => attest(image.ref, format, { predicate: `${i}` })));
      expect(await predicates(image.text)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    });

    it("in another repository are found where that one is named, together with the image's own", async () => {
      const image = await newImage();
      const signatures = parseReference(`${stage.host}/signatures`);
      await attest(image.ref, format, { predicate: "1", signatureRepository: signatures });
      expect((await verify(image.text, trusts(alice))).verdict.outcome).toBe("deny");
      expect((await verify(image.text, trusts(alice), type, signatures)).attestations).toHaveLength(1);
      await attest(image.ref, format, { predicate: "2" });
      expect((await verify(image.text, trusts(alice), type, signatures)).attestations).toHaveLength(2);
      const foreign = await openPlaces(stage.registry, image.ref).taggedManifest(attestationTag(image.digest));
      expect(foreign === undefined).toBe(format !== cosign);
    });

    it("of another digest than expected, or that do not prove, are not pushed", async () => {
      const image = await newImage();
      stage.requests.length = 0;
      const request = {
        image: image.ref,
        formats: [format],
        predicateType: type,
        predicate: Buffer.from("{}"),
        now: 0,
      };
      const expectDigest = digestOf(Buffer.from("another"));
      await expect(attestImage(stage.registry, { ...request, signer: alice, expectDigest })).rejects.toMatchObject({
        code: "DIGEST_MISMATCH",
      });
      const broken = { publicKey: alice.publicKey, sign: async () => new Uint8Array(70) };
      await expect(attestImage(stage.registry, { ...request, signer: broken })).rejects.toMatchObject({
        category: "untrusted",
      });
      expect(await attestImage(stage.registry, { ...request, signer: alice, dryRun: true })).toMatchObject({
        dryRun: true,
      });
      expect(stage.requests.filter((line) => /^(?:PUT|POST|PATCH|DELETE)/.test(line))).toEqual([]);
    });
  },
);

describe("a predicate of 20 MiB", () => {
  it("is attested and verified, and a plain verification does not read it", async () => {
    const image = await newImage();
    const predicate = JSON.stringify({ text: "x".repeat(20 * 1024 * 1024) });
    await attest(image.ref, sigstoreBundle, { predicate });
    expect((await verify(image.text, trusts(alice))).verdict.outcome).toBe("allow");
    await signImage(stage.registry, { image: image.ref, signer: alice, formats, now: 0 });
    stage.requests.length = 0;
    expect((await stage.verifier([trusts(alice)]).verify({ image: image.text })).outcome).toBe("allow");
    expect(stage.requests.filter((line) => line.includes("/blobs/"))).toHaveLength(2);
    expect(stage.requests.filter((line) => line.includes(".att"))).toEqual([]);
  });
});
