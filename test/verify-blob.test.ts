import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signBlob } from "../src/blob.ts";
import { dssePae } from "../src/crypto/dsse.ts";
import { toPublicKey } from "../src/crypto/public-key.ts";
import { createIdentityMatcher } from "../src/crypto/x509-identity.ts";
import type { Signer } from "../src/keys/signer.ts";
import { toKeylessIdentity } from "../src/policy/keyless-identity.ts";
import type { Authority } from "../src/policy/policy.ts";
import { createCertificateTrust } from "../src/trust/certificate-trust.ts";
import { parseTrustRoot } from "../src/trust/parse.ts";
import { parseFileClaim, verifyFile } from "../src/verify-blob.ts";
import { codeOf, codeOfRejection } from "./support/errors.ts";
import { signerOf } from "./support/signers.ts";
import { keyOf, makeBundle, type Recipe } from "./support/sigstore/bundles.ts";
import { githubIssuer } from "./support/sigstore/claims.ts";
import { createWorld, trustedRootOf } from "./support/sigstore/world.ts";
import { ecKey, end, issueAuthority, issueLeaf, middle, parse, pemOf } from "./support/x509.ts";

async function* pieces(content: Uint8Array, size = 7) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}
const file = Buffer.from("the content of a file");
const claimOf = (bundle: unknown) => parseFileClaim(Buffer.from(JSON.stringify(bundle)));

describe("a file with a keyless bundle", () => {
  const world = createWorld();
  const now = world.now();
  const root = parseTrustRoot(trustedRootOf(world), { name: "test", source: { kind: "file" } });

  const keyless = async (
    rule: Parameters<typeof toKeylessIdentity>[0] = { issuer: githubIssuer, subjectRegex: ".*" },
  ) => [{ kind: "keyless", name: "ci", root, identities: [await toKeylessIdentity(rule)] }] as readonly Authority[];
  const byKey: readonly Authority[] = [{ kind: "key", name: "k", keys: [toPublicKey(keyOf("p256").publicKey)], root }];
  const made = (recipe: Recipe = {}) => makeBundle(world, { artifact: file, ...recipe }).bundle;

  it.each([
    ["a signature", { content: "message" }],
    ["a signature in the newest log, with a timestamp", { content: "message", log: "v2", timestamp: true }],
    ["a statement", { content: "dsse" }],
  ] as const)("is verified by %s, at the verified time", async (_what, recipe) => {
    const verified = await verifyFile(await keyless(), claimOf(made(recipe as Recipe)), pieces(file), { now });
    expect(verified).toMatchObject({
      sha256: createHash("sha256").update(file).digest("hex"),
      signer: { kind: "keyless", issuer: githubIssuer },
    });
    expect(verified.signedAt).toBeDefined();
  });

  it.each([{ content: "message" }, { content: "dsse" }] as const)(
    "is refused where it is another file: %o",
    async (recipe) => {
      const other = Buffer.from("the content of another file");
      const code = await codeOfRejection(verifyFile(await keyless(), claimOf(made(recipe)), pieces(other), { now }));
      expect(code).toBe("SUBJECT_MISMATCH");
    },
  );

  it("is refused for another identity", async () => {
    const authorities = await keyless({ issuer: githubIssuer, subject: "https://github.com/eve/app" });
    const code = await codeOfRejection(
      verifyFile(authorities, claimOf(made({ content: "message" })), pieces(file), { now }),
    );
    expect(code).toBe("SIGNER_NOT_TRUSTED");
  });

  it("is refused by a key where the bundle has a certificate, and the other way round", async () => {
    for (const content of ["message", "dsse"] as const) {
      const certified = claimOf(made({ content }));
      const keyed = claimOf(made({ content, signer: "key" }));
      expect(await codeOfRejection(verifyFile(byKey, certified, pieces(file), { now }))).toBeDefined();
      expect(await codeOfRejection(verifyFile(await keyless(), keyed, pieces(file), { now }))).toBe(
        "SIGNER_NOT_TRUSTED",
      );
      expect((await verifyFile(byKey, keyed, pieces(file), { now })).signedAt).toBeDefined();
    }
  });

  it("is refused with evidence that the root refuses, also with a key", async () => {
    for (const content of ["message", "dsse"] as const) {
      const text = JSON.stringify(made({ content, signer: "key" }));
      const broken = parseFileClaim(
        Buffer.from(text.replace(/"signedEntryTimestamp":"..../, '"signedEntryTimestamp":"AAAA')),
      );
      expect(await codeOfRejection(verifyFile(byKey, broken, pieces(file), { now }))).toBe("LOG_ENTRY_INVALID");
    }
  });

  it("is verified by one of several bundles, each on a line", async () => {
    const other = JSON.stringify(made({ artifact: Buffer.from("other") }));
    const claim = parseFileClaim(Buffer.from(`${other}\n${JSON.stringify(made())}\n\n`));
    expect((await verifyFile(await keyless(), claim, pieces(file), { now })).signer.kind).toBe("keyless");
    const none = parseFileClaim(Buffer.from(`${other}\n${other}`));
    expect(await codeOfRejection(verifyFile(await keyless(), none, pieces(file), { now }))).toBe("SUBJECT_MISMATCH");
  });

  it("is refused with more bundles than anybody has", () => {
    const lines = Array.from({ length: 101 }, () => "{}").join("\n");
    expect(codeOf(() => parseFileClaim(Buffer.from(lines)))).toBe("SIGNATURE_MALFORMED");
  });
});

describe("a file signed with a certificate of one's own authority", () => {
  const root = issueAuthority("root");
  const leaf = issueLeaf(root, { key: ecKey() });
  const signer: Signer = {
    ...signerOf(leaf.key.privateKey),
    certificate: async () => ({ leaf: parse(leaf), issuers: [parse(root)] }),
  };
  const trusting = async (san: string, ca = root): Promise<readonly Authority[]> => [
    {
      kind: "certificate",
      name: "corp",
      trust: createCertificateTrust(pemOf(ca)),
      identities: [{ san, matches: await createIdentityMatcher({ san }) }],
    },
  ];
  const bundle = async () => {
    const { makeBlobBundle } = await import("../src/formats/blob-bundle-make.ts");
    const digest = createHash("sha256").update(file).digest();
    return makeBlobBundle({ signer }, digest, Buffer.from(await signer.sign(file)));
  };

  it("is verified while the certificate is valid, by the name in it", async () => {
    const claim = parseFileClaim(await bundle());
    const authorities = await trusting("ci@example.com");
    expect(await verifyFile(authorities, claim, pieces(file), { now: middle })).toMatchObject({
      signer: { kind: "certificate", issuer: "CN=root", subject: "ci@example.com" },
    });
    const refused = async (trust: readonly Authority[], now = middle, content = file) =>
      codeOfRejection(verifyFile(trust, claim, pieces(content), { now }));
    expect(await refused(authorities, end + 1000)).toBe("CERTIFICATE_EXPIRED");
    expect(await refused(await trusting("eve@example.com"))).toBe("SIGNER_NOT_TRUSTED");
    expect(await refused(await trusting("ci@example.com", issueAuthority("root")))).toBe("CERTIFICATE_UNTRUSTED");
    expect(await refused(authorities, middle, Buffer.from("another"))).toBe("SUBJECT_MISMATCH");
  });

  it("is verified in the JSON that cosign 2 writes", async () => {
    const base64Signature = Buffer.from(await signer.sign(file)).toString("base64");
    const cert = Buffer.from(pemOf(leaf)).toString("base64");
    const authorities = await trusting("ci@example.com");
    const verify = (claim: unknown) => verifyFile(authorities, claimOf(claim), pieces(file), { now: middle });
    expect((await verify({ base64Signature, cert })).signer.kind).toBe("certificate");
    expect(await codeOfRejection(verify({ base64Signature }))).toBe("SIGNER_NOT_TRUSTED");
    const other = Buffer.from(pemOf(issueLeaf(root, { key: ecKey() }))).toString("base64");
    expect(await codeOfRejection(verify({ base64Signature, cert: other }))).toBe("SIGNATURE_INVALID");
  });
});

it("a file that was just signed with a key is verified by it", async () => {
  const signer = signerOf(ecKey().privateKey);
  const { bundle, signature, sha256 } = await signBlob({ signer }, pieces(file));
  const authorities: readonly Authority[] = [{ kind: "key", name: "k", keys: [signer.publicKey] }];
  for (const claim of [parseFileClaim(bundle), { kind: "signature", claim: { signature } } as const])
    expect(await verifyFile(authorities, claim, pieces(file), { now: middle })).toEqual({
      sha256,
      signer: { kind: "key", keyId: signer.publicKey.keyId },
    });
});

describe("an attestation about a file", () => {
  const signer = signerOf(ecKey().privateKey);
  const authorities: readonly Authority[] = [{ kind: "key", name: "k", keys: [signer.publicKey] }];
  const predicateType = "https://example.com/tests/v1";

  async function attested(digest: object) {
    const statement = {
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "f", digest }],
      predicateType,
      predicate: {},
    };
    const payloadType = "application/vnd.in-toto+json";
    const payload = Buffer.from(JSON.stringify(statement));
    const sig = Buffer.from(await signer.sign(dssePae(payloadType, payload))).toString("base64");
    return claimOf({
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { publicKey: { hint: "" } },
      dsseEnvelope: { payload: payload.toString("base64"), payloadType, signatures: [{ sig }] },
    });
  }
  const digestIn = (name: string) => ({ [name]: createHash(name).update(file).digest("hex") });

  it.each(["sha256", "sha512"])("names it by its %s", async (name) => {
    const claim = await attested(digestIn(name));
    const verified = await verifyFile(authorities, claim, pieces(file), { now: middle, predicateType });
    expect(verified.attestation?.predicateType).toBe(predicateType);
    expect(await codeOfRejection(verifyFile(authorities, claim, pieces(Buffer.from("x")), { now: middle }))).toBe(
      "SUBJECT_MISMATCH",
    );
  });

  it("is of the type that is wanted, and no signature stands in for it", async () => {
    const asked = { now: middle, predicateType: "https://spdx.dev/Document" };
    const { bundle } = await signBlob({ signer }, pieces(file));
    for (const claim of [await attested(digestIn("sha256")), parseFileClaim(bundle)])
      expect(await codeOfRejection(verifyFile(authorities, claim, pieces(file), asked))).toBe(
        "PREDICATE_TYPE_MISMATCH",
      );
  });
});
