import { noTestimony } from "../witness/witness.ts";
import { encodeStatement, makeEnvelope } from "./envelope-make.ts";
import type { SignRequest } from "./format.ts";
import { verificationMaterial } from "./made-material.ts";
import { bundleFrame } from "./sigstore-bundle-make.ts";
import { bundleMediaType } from "./sigstore-bundle-parse.ts";

type Maker = Pick<SignRequest, "signer" | "testify">;

/**
 * The Sigstore bundle of a message that is signed already (sigstore_bundle.proto v0.3, messageSignature), witnessed if
 * somebody is to. `sha256` is of the message.
 */
export async function makeBlobBundle(
  { signer, testify }: Maker,
  sha256: Uint8Array,
  signature: Uint8Array,
): Promise<Buffer> {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const certificate = await signer.certificate?.();
  const witnessed = { signature, sha256, publicKey: signer.publicKey, certificate: certificate?.leaf.raw };
  const testimony = (await testify?.(witnessed)) ?? noTestimony;
  return Buffer.from(
    JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: verificationMaterial({ signer, certificate, testimony }),
      messageSignature: {
        messageDigest: { algorithm: "SHA2_256", digest: base64(sha256) },
        signature: base64(signature),
      },
    }),
  );
}

/** The Sigstore bundle of an in-toto statement, signed as it stands, witnessed if somebody is to. */
export async function makeStatementBundle(maker: Maker, statement: Uint8Array): Promise<Buffer> {
  const { content } = await makeEnvelope(maker, encodeStatement(statement), { frame: bundleFrame });
  return content;
}
