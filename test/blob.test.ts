import { describe, expect, it } from "vitest";
import { signBlob, verifyBlob } from "../src/blob.ts";
import { parseBlobBundle } from "../src/formats/blob-bundle.ts";
import { signerOf as openSigner } from "../src/keys/signing.ts";
import { codeOf, codeOfRejection } from "./support/errors.ts";
import { keyKinds, newPrivateKey } from "./support/signers.ts";

async function* inPieces(content: Uint8Array, length = 1000) {
  for (let at = 0; at < content.length; at += length) yield content.subarray(at, at + length);
}
const content = Buffer.alloc(10_001, "content");

describe.each(keyKinds)("a blob signed by a key of kind %s", (kind) => {
  const signer = openSigner(newPrivateKey(kind));
  const other = openSigner(newPrivateKey(kind)).publicKey;

  it("verifies, however it is cut into pieces, and under its key alone", async () => {
    const { bundle, signature, sha256, keyId } = await signBlob({ signer }, inPieces(content, 7));
    for (const claim of [parseBlobBundle(bundle), { signature }]) {
      expect(await verifyBlob([other, signer.publicKey], claim, inPieces(content, 5000))).toEqual({ sha256, keyId });
      expect(await codeOfRejection(verifyBlob([other], claim, inPieces(content)))).toBe("SIGNER_NOT_TRUSTED");
      expect(await codeOfRejection(verifyBlob([], claim, inPieces(content)))).toBe("SIGNER_NOT_TRUSTED");
    }
  });

  it("is refused when a byte of it, or of the bundle, is another", async () => {
    const { bundle, signature } = await signBlob({ signer }, inPieces(content));
    const changed = Buffer.from(content);
    changed[5000] = 0;
    const keys = [signer.publicKey];
    expect(await codeOfRejection(verifyBlob(keys, parseBlobBundle(bundle), inPieces(changed)))).toBe(
      "SUBJECT_MISMATCH",
    );
    expect(await codeOfRejection(verifyBlob(keys, { signature }, inPieces(changed)))).toBe("SIGNER_NOT_TRUSTED");
    for (let i = 0; i < bundle.length; i++) {
      const flipped = Buffer.from(bundle);
      flipped[i] = (flipped[i] ?? 0) ^ 1;
      const outcome = codeOf(() => parseBlobBundle(flipped));
      if (outcome === undefined) {
        const code = await codeOfRejection(verifyBlob(keys, parseBlobBundle(flipped), inPieces(content)));
        // The hint is not signed, and the digest of the message may be left out.
        if (code === undefined) expect(String(flipped)).toMatch(/"publicKey"|messageDigest/);
      }
    }
  });

  it("of nothing at all is signed as well", async () => {
    const { bundle } = await signBlob({ signer }, inPieces(Buffer.of()));
    await verifyBlob([signer.publicKey], parseBlobBundle(bundle), inPieces(Buffer.of()));
  });
});

describe("bundles of files", () => {
  it.each([
    ["nothing", ""],
    ["a list", "[]"],
    ["no media type", '{"messageSignature":{"signature":"AAAA"}}'],
    ["an envelope", '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{}}'],
    [
      "an unknown hash",
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{"messageDigest":{"algorithm":"MD5","digest":""},"signature":"AAAA"}}',
    ],
    ["no signature", '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{}}'],
    ["both forms", '{"base64Signature":"AAAA","mediaType":"x"}'],
  ])("of %s are refused", (_, text) => {
    expect(codeOf(() => parseBlobBundle(Buffer.from(text)))).toBe("SIGNATURE_MALFORMED");
  });

  it("of older cosigns are read", () => {
    expect(parseBlobBundle(Buffer.from('{"base64Signature":"AAAA","cert":""}'))).toEqual({
      signature: Buffer.alloc(3),
    });
  });
});
