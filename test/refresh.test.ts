import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formats } from "../src/formats/index.ts";
import { certifiedSigner } from "../src/keys/certificate.ts";
import type { ImageReference } from "../src/oci/reference.ts";
import { bindingAnnotations } from "../src/policy/binding.ts";
import type { TrustPolicy } from "../src/policy/policy.ts";
import { type RefreshRequest, refreshImage } from "../src/refresh.ts";
import { signImage } from "../src/sign.ts";
import { newSigner, signerOf } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";
import { ecKey, email, issueAuthority, issueLeaf, parse, san } from "./support/x509.ts";

let stage: Stage;
const [alice, bob] = [newSigner(), newSigner()];
const day = 24 * 3600_000;
let serial = 0;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const freshImage = () => stage.newImage(`app${serial++}:1`);

async function sign(
  image: ImageReference,
  expiresIn: number | undefined,
  { signer = alice, bind = true, more = {} } = {},
) {
  const { now } = stage.clock;
  const annotations = { ...more, ...bindingAnnotations({ expiresIn, bindTo: bind ? image : undefined }, now) };
  return signImage(stage.registry, { image, signer, formats, annotations, now });
}

const refresh = (image: ImageReference, more: Partial<RefreshRequest> = {}) =>
  refreshImage(stage.registry, { image, signer: alice, formats, before: 10 * day, now: stage.clock.now, ...more });

const policy: TrustPolicy = {
  name: "fresh",
  mode: "enforce",
  images: [{ glob: "**" }],
  exclude: [],
  match: [],
  authorities: [{ kind: "key", name: "alice", keys: [alice.publicKey], annotations: { env: "prod" } }],
  threshold: 1,
  freshness: { tagBinding: "required", digestOnly: "deny", grace: 0 },
  source: "test",
};

describe("refreshing", () => {
  it("makes signatures with a certificate anew, and leaves those of others under the same root alone", async () => {
    const image = await freshImage();
    const { now } = stage.clock;
    const validity = { notBefore: now - day, notAfter: now + 365 * day };
    const root = issueAuthority("root", validity);
    const certified = (address: string) => {
      const key = ecKey();
      const leaf = issueLeaf(root, { ...validity, key, subject: address, extensions: [san([email(address)])] });
      return certifiedSigner(signerOf(key.privateKey), { leaf: parse(leaf), issuers: [parse(root)] });
    };
    const [carol, dave] = [certified("carol@example.com"), certified("dave@example.com")];
    await sign(image.ref, 5 * day, { signer: carol });
    await sign(image.ref, 5 * day, { signer: dave });
    const refreshed = await refresh(image.ref, { signer: carol });
    expect(refreshed.signatures.map(({ format }) => format).sort()).toEqual(["bundle", "cosign"]);
    expect(await refresh(image.ref, { signer: carol, before: 2 * day })).toMatchObject({ signatures: [], fresh: 2 });
  });

  it("makes what expires soon anew in the same forms, with the same annotations, tag and lifetime", async () => {
    const image = await freshImage();
    await sign(image.ref, 30 * day, { more: { env: "prod" } });
    expect(await refresh(image.ref)).toMatchObject({ signatures: [], fresh: 2, findings: [] });
    stage.clock.now += 21 * day;
    const refreshed = await refresh(image.ref);
    expect(refreshed.signatures.map(({ format }) => format).sort()).toEqual(["bundle", "cosign"]);
    expect(await refresh(image.ref)).toMatchObject({ signatures: [], fresh: 2 });
    stage.clock.now += 29 * day;
    const verdict = await stage.verifier([policy]).verify({ image: image.text });
    expect(verdict).toMatchObject({ outcome: "allow", policies: [{ satisfiedBy: [{ authority: "alice" }] }] });
    stage.clock.now += 2 * day;
    expect(await stage.verifier([policy]).verify({ image: image.text })).toMatchObject({
      outcome: "deny",
      policies: [{ findings: expect.arrayContaining([expect.objectContaining({ code: "SIGNATURE_EXPIRED" })]) }],
    });
  });

  it("brings back what has expired, for as long as it is told", async () => {
    const image = await freshImage();
    await sign(image.ref, day, { more: { env: "prod" } });
    stage.clock.now += 5 * day;
    expect((await refresh(image.ref, { expiresIn: 90 * day })).signatures).toHaveLength(2);
    stage.clock.now += 80 * day;
    expect((await stage.verifier([policy]).verify({ image: image.text })).outcome).toBe("allow");
  });

  it("leaves alone what has no expiry, and what other keys made", async () => {
    const image = await freshImage();
    await sign(image.ref, undefined);
    await sign(image.ref, day, { signer: bob });
    expect(await refresh(image.ref)).toMatchObject({ signatures: [], fresh: 0, findings: [] });
  });

  it("leaves alone what is bound to a tag that has moved on", async () => {
    const image = await freshImage();
    await sign(image.ref, day);
    await stage.newImage(`${image.ref.repository}:1`, "moved on");
    const old: ImageReference = {
      registry: image.ref.registry,
      repository: image.ref.repository,
      digest: image.digest,
    };
    const result = await refresh(old);
    expect(result).toMatchObject({
      signatures: [],
      findings: [{ code: "DIGEST_MISMATCH" }, { code: "DIGEST_MISMATCH" }],
    });
  });

  it("leaves alone what binds another repository", async () => {
    const [image, other] = [await freshImage(), await freshImage()];
    const annotations = bindingAnnotations({ expiresIn: day, bindTo: other.ref }, stage.clock.now);
    await signImage(stage.registry, { image: image.ref, signer: alice, formats, annotations, now: stage.clock.now });
    const result = await refresh(image.ref);
    expect(result).toMatchObject({ signatures: [], findings: [{ code: "TAG_NOT_BOUND" }, { code: "TAG_NOT_BOUND" }] });
  });

  it("pushes nothing on a dry run", async () => {
    const image = await freshImage();
    await sign(image.ref, day, { bind: false });
    stage.requests.length = 0;
    expect((await refresh(image.ref, { dryRun: true })).signatures).toHaveLength(2);
    expect(stage.requests.filter((line) => /^(?:PUT|POST|PATCH)/.test(line))).toEqual([]);
  });
});
