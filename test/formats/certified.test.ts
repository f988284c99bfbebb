import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestHex, digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import type { SignatureBundle, SignatureFormat, TrustMaterial } from "../../src/formats/format.ts";
import { formats } from "../../src/formats/index.ts";
import { bundleOf } from "../../src/formats/sigstore-bundle-parse.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { type CertificateTrust, createCertificateTrust } from "../../src/trust/certificate-trust.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";
import { recordedPlaces } from "../support/places.ts";
import { newSigner, signerOf, trusting } from "../support/signers.ts";
import type { LeafSpec } from "../support/sigstore/authority.ts";
import { makeBundle } from "../support/sigstore/bundles.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import {
  algorithms,
  type CertificateSpec,
  ecKey,
  email,
  end,
  extension,
  type Issued,
  issue,
  issueAuthority,
  issueLeaf,
  middle,
  nameConstraints,
  parse,
  pemOf,
  rsaKey,
  san,
  start,
  uri,
} from "../support/x509.ts";

const image = parseReference("registry.example.com/prod/app:1.0");
const subject: Descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(Buffer.from("image")), size: 5 };

const root = issueAuthority("root");
const intermediate = issueAuthority("intermediate", { issuer: root });
const leafKey = ecKey();
const leaf = issueLeaf(intermediate, { key: leafKey });
const stranger = issueAuthority("root");

/** Signs with the key of a certificate, and brings it along. */
function signerWith(certificate: Issued, issuers: readonly Issued[] = [intermediate, root]): Signer {
  return {
    ...signerOf(certificate.key.privateKey),
    certificate: async () => ({ leaf: parse(certificate), issuers: issuers.map(parse) }),
  };
}

/** Bundles hold the leaf alone, so that the intermediate is told here. */
const own = createCertificateTrust(pemOf(root), pemOf(intermediate));

function believing(...certificates: readonly CertificateTrust[]): TrustMaterial {
  return { revision: certificates.map(({ id }) => id).join(" "), keys: [], certificates };
}

const kinds = {
  signature: (format: SignatureFormat, signer: Signer) =>
    format.sign({ image, subject, signer, annotations: { env: "prod" }, now: middle }),
  attestation: (format: SignatureFormat, signer: Signer) => {
    const predicateType = "https://example.com/tests/v1";
    return format.attest({ image, subject, signer, predicateType, predicate: Buffer.from("{}"), now: middle });
  },
};
const cases = formats.flatMap((format) =>
  Object.entries(kinds).map(([kind, make]) => [format.name, kind, format, make] as const),
);

describe.each(cases)("format %s, %s with a certificate", (name, kind, format, make) => {
  const made = async (certificate: Issued = leaf, issuers?: readonly Issued[]) =>
    (await make(format, signerWith(certificate, issuers))).bundle;
  const verify = (bundle: SignatureBundle, trust: TrustMaterial = believing(own), now: number | undefined = middle) =>
    format.verify(bundle, subject.digest, trust, now);
  const refusal = async (spec: CertificateSpec, trust?: TrustMaterial, now?: number) =>
    codeOfRejection(verify(await made(issueLeaf(intermediate, { key: leafKey, ...spec })), trust, now));

  it("is proved under the roots that are trusted, for as long as the certificates are valid", async () => {
    const proof = await verify(await made());
    expect(proof).toMatchObject({
      kind,
      signer: { kind: "certificate", issuer: "CN=root", subject: "ci@example.com" },
      signedAt: [],
      backings: [{ trust: own.id, issuer: "CN=root", validity: { notBefore: start, notAfter: end } }],
      validity: { notBefore: start, notAfter: end },
    });
  });

  it("is refused at a time when the certificate is not valid, or at none", async () => {
    const bundle = await made();
    for (const now of [start - 1, end + 1000, Number.NaN])
      expect(await codeOfRejection(verify(bundle, believing(own), now))).toBe("CERTIFICATE_EXPIRED");
    expect(await codeOfRejection(format.verify(bundle, subject.digest, believing(own)))).toBe("CERTIFICATE_EXPIRED");
  });

  it("is refused where only another authority of the same name is trusted", async () => {
    const trust = believing(createCertificateTrust(pemOf(stranger), pemOf(intermediate)));
    expect(await codeOfRejection(verify(await made(), trust))).toBe("CERTIFICATE_UNTRUSTED");
  });

  it("never takes its root, or any authority, from what comes along", async () => {
    const otherIntermediate = issueAuthority("intermediate", { issuer: stranger });
    const forged = issueLeaf(otherIntermediate, { key: leafKey });
    const bundle = await made(forged, [otherIntermediate, stranger]);
    expect(await codeOfRejection(verify(bundle))).toBe("CERTIFICATE_UNTRUSTED");
  });

  it("is refused where the certificate is not for signing code, or belongs to an authority", async () => {
    const plain = issue({ subject: "leaf", key: leafKey, issuer: intermediate });
    expect(await codeOfRejection(verify(await made(plain)))).toBe("CERTIFICATE_INVALID");
    const authority = issueAuthority("leaf", { key: leafKey, issuer: intermediate });
    expect(await codeOfRejection(verify(await made(authority)))).toBe("CERTIFICATE_INVALID");
    expect(await refusal({ extensions: [extension("1.2.3.4", Buffer.from([5, 0]), true)] })).toBe(
      "CERTIFICATE_INVALID",
    );
  });

  it("is refused for a name that the authority may not certify", async () => {
    const bound = issueAuthority("bound", { issuer: root, extensions: [nameConstraints([email("other.example")])] });
    const trust = believing(createCertificateTrust(pemOf(root), pemOf(bound)));
    expect(await codeOfRejection(verify(await made(issueLeaf(bound, { key: leafKey })), trust))).toBe(
      "CERTIFICATE_INVALID",
    );
  });

  it("is refused where another key made the signature", async () => {
    const signer = { ...newSigner(), certificate: signerWith(leaf).certificate } as Signer;
    const { bundle } = await make(format, signer);
    expect(await codeOfRejection(verify(bundle))).toBe("SIGNATURE_INVALID");
  });

  it("is refused for another image", async () => {
    const other = digestOf(Buffer.from("another image"));
    expect(await codeOfRejection(format.verify(await made(), other, believing(own), middle))).toBe("SUBJECT_MISMATCH");
  });

  it("is proved under each set of authorities by itself", async () => {
    const others = [
      createCertificateTrust(pemOf(stranger)),
      createCertificateTrust(pemOf(root, stranger), pemOf(intermediate)),
    ];
    const proof = await verify(await made(), believing(...others, own));
    expect(proof.backings?.map(({ trust }) => trust)).toEqual([others[1]?.id, own.id]);
  });

  it("says what hinders most, of several authorities", async () => {
    const trust = believing(createCertificateTrust(pemOf(stranger)), own);
    expect(await codeOfRejection(verify(await made(), trust, end + 1000))).toBe("CERTIFICATE_EXPIRED");
  });

  it("is steady until the next certificate begins or ends, of all that could make a path", async () => {
    const renewed = issueAuthority("intermediate", {
      key: intermediate.key,
      issuer: root,
      notBefore: middle + 1000,
      notAfter: end,
    });
    const trust = believing(createCertificateTrust(pemOf(root), pemOf(intermediate, renewed)));
    const proof = await verify(await made(), trust);
    expect(proof.validity).toEqual({ notBefore: start, notAfter: middle + 999 });
    expect(proof.backings?.[0]?.validity).toEqual({ notBefore: start, notAfter: end });
  });

  it("believes nothing else after a change of one byte", async () => {
    const bundle = await made();
    const before = JSON.stringify(await verify(bundle));
    let refused = 0;
    const step = Math.max(1, Math.floor(bundle.content.length / 150));
    for (let at = 0; at < bundle.content.length; at += step) {
      const content = Buffer.from(bundle.content);
      content[at] = (content[at] ?? 0) ^ 0x01;
      try {
        expect(JSON.stringify(await verify({ ...bundle, content }))).toBe(before);
      } catch (error) {
        if (!(error instanceof TrustError)) throw error;
        expect(error.code).not.toBe("INTERNAL");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50);
  });

  it("is not proved by keys alone where the form is for certificates", async () => {
    const code = await codeOfRejection(verify(await made(), trusting(signerOf(leafKey.privateKey))));
    // Cosign's own forms hold a signature, and perhaps a certificate; so cosign takes them with the key, too.
    expect(code).toBe(name === "bundle" ? "SIGNER_NOT_TRUSTED" : undefined);
  });

  it("is by a trusted key and a certificate at once where both are trusted and the form allows it", async () => {
    const trust = { ...trusting(signerOf(leafKey.privateKey)), ...{ certificates: [own] } };
    const proof = await verify(await made(), trust);
    expect(proof.signer.kind).toBe(name === "bundle" ? "certificate" : "key");
    expect(proof.backings?.[0]?.certificate?.fingerprint).toBe(parse(leaf).fingerprint);
  });

  it("is proved with RSA, too, and with a name that is a URI", async () => {
    const names = [san([uri("https://ci.example.com/release")])];
    const certificate = issueLeaf(intermediate, { key: rsaKey(), extensions: names });
    expect((await verify(await made(certificate))).signer).toMatchObject({ subject: "https://ci.example.com/release" });
  });
});

describe("a certificate with a time that somebody verified", () => {
  const world = createWorld();
  const times = parseTrustRoot(trustedRootOf(world), { name: "times", source: { kind: "file" } });
  const now = world.now();
  const hour = 3_600_000;
  const at = Math.floor(now / 1000) * 1000 - 3 * hour;
  const ca = issueAuthority("root", { notBefore: at - 10 * hour, notAfter: now + 24 * hour });
  const format = formats.find(({ name }) => name === "bundle") as SignatureFormat;

  /** What somebody with a certificate of that authority made, and a log has seen; valid from then on for so long. */
  function made(change: (bundle: string) => string = (bundle) => bundle, from = at - hour, length = 2 * hour) {
    const certificate = (spec: LeafSpec): LeafSpec => ({
      ...spec,
      authority: { ...spec.authority, issuer: ca, algorithm: algorithms["ecdsa-sha256"] },
      at: from,
      minutes: length / 60_000,
      logs: [],
    });
    const { bundle } = makeBundle(world, { subject: digestHex(subject.digest), at, certificate });
    const content = Buffer.from(change(JSON.stringify(bundle)));
    return bundleOf(content, digestOf(content));
  }
  const verify = (bundle: SignatureBundle, trust: CertificateTrust) =>
    format.verify(bundle, subject.digest, believing(trust), now);
  const trusted = createCertificateTrust(pemOf(ca), undefined, times);

  it("is judged at that time, and then proved for ever; without the time it has run out", async () => {
    const bundle = made();
    const proof = await verify(bundle, trusted);
    expect(proof.backings).toMatchObject([{ trust: trusted.id, issuer: "CN=root", counts: { log: 1 } }]);
    expect(proof.backings?.[0]?.signedAt).toHaveLength(1);
    expect(proof.backings?.[0]?.validity).toBeUndefined();
    expect(await codeOfRejection(verify(bundle, createCertificateTrust(pemOf(ca))))).toBe("CERTIFICATE_EXPIRED");
  });

  it("is not helped by the log of somebody else, nor by an entry that the log did not make", async () => {
    const strange = parseTrustRoot(trustedRootOf(createWorld()), { name: "strange", source: { kind: "file" } });
    const unknown = createCertificateTrust(pemOf(ca), undefined, strange);
    expect(await codeOfRejection(verify(made(), unknown))).toBe("CERTIFICATE_EXPIRED");
    const broken = made((text) => text.replace(/"signedEntryTimestamp":"..../, '"signedEntryTimestamp":"AAAA'));
    expect(await codeOfRejection(verify(broken, trusted))).toBe("LOG_ENTRY_INVALID");
  });

  it("is refused where the verified time is outside of it, though it is valid now", async () => {
    const bundle = made(undefined, at + 2 * hour, 4 * hour);
    expect(await codeOfRejection(verify(bundle, trusted))).toBe("CERTIFICATE_EXPIRED");
    expect((await verify(bundle, createCertificateTrust(pemOf(ca)))).signer.kind).toBe("certificate");
  });

  it("does not make the authorities of that root its own", async () => {
    const other = makeBundle(world, { subject: digestHex(subject.digest), at });
    const content = Buffer.from(JSON.stringify(other.bundle));
    expect(await codeOfRejection(verify(bundleOf(content, digestOf(content)), trusted))).toBe("CERTIFICATE_UNTRUSTED");
  });
});

describe("annotations of cosign", () => {
  const format = formats.find(({ name }) => name === "cosign") as SignatureFormat;
  const certificateAnnotation = "dev.sigstore.cosign/certificate";
  const chainAnnotation = "dev.sigstore.cosign/chain";
  const made = async (annotations: Record<string, string>) => {
    const { bundle } = await kinds.signature(format, signerWith(leaf));
    return { ...bundle, annotations: { ...bundle.annotations, ...annotations } };
  };
  /** Without the intermediate, which must come along. */
  const rootOnly = believing(createCertificateTrust(pemOf(root)));
  const verify = async (annotations: Record<string, string>, trust = rootOnly) =>
    format.verify(await made(annotations), subject.digest, trust, middle);

  it("bring intermediates along, in any order", async () => {
    expect((await verify({})).signer.kind).toBe("certificate");
    expect((await verify({ [chainAnnotation]: pemOf(root, intermediate) })).signer.kind).toBe("certificate");
    expect((await verify({ [chainAnnotation]: pemOf(stranger, intermediate, root) })).signer.kind).toBe("certificate");
  });

  it.each([
    ["no chain", { [chainAnnotation]: "" }, "CERTIFICATE_UNTRUSTED"],
    ["a chain that is another's", { [chainAnnotation]: pemOf(stranger) }, "CERTIFICATE_UNTRUSTED"],
    [
      "a long chain",
      { [chainAnnotation]: pemOf(...Array.from({ length: 12 }, () => stranger)) },
      "SIGNATURE_MALFORMED",
    ],
    ["a chain of garbage", { [chainAnnotation]: "garbage" }, "CERTIFICATE_INVALID"],
    ["two certificates", { [certificateAnnotation]: pemOf(leaf, leaf) }, "SIGNATURE_MALFORMED"],
    [
      "a certificate of garbage",
      { [certificateAnnotation]: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      "CERTIFICATE_INVALID",
    ],
    [
      "a private key",
      { [certificateAnnotation]: leafKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
      "CERTIFICATE_INVALID",
    ],
    [
      "the certificate of another key",
      { [certificateAnnotation]: pemOf(issueLeaf(intermediate, { key: ecKey() })) },
      "SIGNATURE_INVALID",
    ],
    ["an annotation without end", { [certificateAnnotation]: "A".repeat(1_000_000) }, "SIGNATURE_MALFORMED"],
  ])("are refused with %s", async (_what, annotations, code) => {
    const refused = await codeOfRejection(verify(annotations));
    expect(refused).toBeDefined();
    if (code !== undefined) expect(refused).toBe(code);
  });

  it("leave a signature by a trusted key what it is, whatever they hold", async () => {
    const key = signerOf(leafKey.privateKey);
    const trust = { ...trusting(key), certificates: [own] };
    const proof = await verify({ [certificateAnnotation]: "garbage" }, trust);
    expect(proof.signer).toEqual({ kind: "key", keyId: key.publicKey.keyId });
  });

  it("make two claims of one signature with and without a certificate: neither hides the other", async () => {
    const { attachment } = await kinds.signature(format, signerWith(leaf));
    const { attachment: bare } = await kinds.signature(format, signerOf(leafKey.privateKey));
    if (attachment.kind !== "layer" || bare.kind !== "layer") throw new Error("cosign writes layers");
    const [one, other] = [attachment.layer.annotations ?? {}, { ...attachment.layer.annotations }];
    delete other[certificateAnnotation];
    const { memoryPlaces } = await import("../support/places.ts");
    const layers = [one, other].map((annotations) => ({ ...attachment.layer, annotations }));
    const config = { mediaType: mediaTypes.imageConfig, digest: digestOf(Buffer.from("{}")), size: 2 };
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers };
    const tags = { [attachment.tag]: Buffer.from(JSON.stringify(manifest)) };
    const found = await format.find(memoryPlaces({ tags, blobs: [attachment.blob] }), subject.digest);
    expect(new Set(found.bundles.map(({ claimId }) => claimId)).size).toBe(2);
  });
});

describe("authorities of one's own", () => {
  it("are authorities: a signer's certificate is no root and no intermediate", () => {
    expect(codeOf(() => createCertificateTrust(pemOf(leaf)))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => createCertificateTrust(pemOf(root), pemOf(leaf)))).toBe("CERTIFICATE_INVALID");
    expect(codeOf(() => createCertificateTrust(""))).toBe("CERTIFICATE_INVALID");
  });

  it("are the same whatever the order, and others as soon as one differs", () => {
    const id = (roots: string, intermediates?: string) => createCertificateTrust(roots, intermediates).id;
    expect(id(pemOf(root, stranger))).toBe(id(pemOf(stranger, root, root)));
    expect(new Set([id(pemOf(root)), id(pemOf(stranger)), id(pemOf(root), pemOf(intermediate))]).size).toBe(3);
  });
});

describe("signatures of cosign with a certificate", () => {
  const fixtures = join(import.meta.dirname, "../fixtures");
  const pem = (name: string) => readFileSync(join(fixtures, "x509/own-ca", name), "latin1");
  const trust = believing(createCertificateTrust(pem("root.crt"), pem("int.crt")));
  const now = Date.UTC(2027, 0, 1);

  it.each(["cosign2", "cosign3"])("of %s are proved", async (maker) => {
    const { places, subject } = recordedPlaces(join(fixtures, maker, "x509"));
    const proofs = await Promise.all(
      formats.map(async (format) => {
        const { bundles } = await format.find(places, subject);
        return Promise.all(bundles.map((bundle) => format.verify(bundle, subject, trust, now)));
      }),
    );
    expect(proofs.flat()).toMatchObject([
      { kind: "signature", signer: { issuer: "O=Test, CN=Test Root", subject: "signer@example.com" } },
    ]);
  });
});
