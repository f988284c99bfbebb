import { isReadable } from "../claims/certificate.ts";
import { present } from "../claims/loose.ts";
import {
  bundleClaims,
  envelopeClaims,
  jwsClaims,
  type SignatureClaims,
  simpleSigningClaims,
} from "../claims/signature.ts";
import type { Digest } from "../crypto/digest.ts";
import { asTrustError } from "../errors.ts";
import { envelopeMediaType } from "../formats/cosign-attestation.ts";
import { simpleSigningMediaType } from "../formats/cosign-signature.ts";
import type { Descriptor } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { Attached } from "./find.ts";
import { type AttachedKind, kindOf, type ReadBlob } from "./kind.ts";

export type AttachedPlace = "referrer" | "fallback-tag" | "sig-tag" | "att-tag" | "sbom-tag" | "oci-1-1";

/** What one signature says of itself, without the payload. */
export type ShownClaims = Omit<SignatureClaims, "payload" | "problems">;

/** One signature, attestation, SBOM or other artifact: what it is and what it says, nothing of it proved. Plain JSON. */
export interface DescribedArtifact {
  readonly kind: AttachedKind;
  /** `bundle`, `cosign`, `notation`, or the media type of what this program does not know. */
  readonly format: string;
  readonly place: AttachedPlace;
  readonly tag?: string;
  /** Of its manifest. */
  readonly digest: Digest;
  /** Of the blob that holds it: what a Verdict names as evidence. */
  readonly evidence?: Digest;
  /** Of that blob, else of all layers, in bytes; as the manifest says. */
  readonly size: number;
  readonly artifactType?: string;
  /** False for what carries no signature of its own. */
  readonly isSigned: boolean;
  readonly claims?: ShownClaims;
  /** When it says it was made, RFC 3339, and who says so; the manifest and its annotations are signed by nobody. */
  readonly created?: { readonly time: string; readonly saidBy: "log" | "timestamp" | "signature" | "manifest" };
  readonly problems: readonly string[];
}

/** An artifact with what tells its signature apart from others in the same blob. */
export interface ReadArtifact {
  readonly artifact: DescribedArtifact;
  readonly layer?: Descriptor;
}

const readsAtOnce = 8;
/** Larger ones are described by their labels. */
const maxDecoded = 8 * 1024 * 1024;
const notation = "application/vnd.cncf.notary.signature";
const bundle = /^application\/vnd\.dev\.sigstore\.bundle/;
const places: Readonly<Record<string, AttachedPlace>> = { sig: "sig-tag", att: "att-tag", sbom: "sbom-tag" };

/** What an artifact holds: under cosign's tags each layer is one. Never throws for what is found there. */
export async function describeArtifact(
  item: Attached,
  read: ReadBlob,
  maxItems: number,
): Promise<readonly ReadArtifact[]> {
  const { root, subject, tag } = item;
  const problems: string[] = [];
  const kind = await kindOf(item, read).catch((error: unknown) => {
    problems.push(problemOf(error));
    return "signature" as const;
  });
  const { manifest, descriptor } = root;
  if (tag === undefined && manifest.subject?.digest !== subject)
    problems.push(`it is listed here, but says that it belongs to ${manifest.subject?.digest ?? "nothing"}`);
  if (tag !== undefined && manifest.kind === "index") problems.push("the tag holds an index, not signatures");
  const layers = manifest.kind === "manifest" ? manifest.layers : [];
  const isOci11 = tag === undefined && layers.some(({ mediaType }) => mediaType === simpleSigningMediaType);
  const base = {
    kind,
    place: placeOf(item, isOci11),
    ...(tag === undefined ? {} : { tag }),
    digest: descriptor.digest,
    ...present({ artifactType: manifest.artifactType }),
    problems,
  };
  const said = manifest.annotations["org.opencontainers.image.created"]?.slice(0, 100);
  if ((kind !== "signature" && kind !== "attestation") || layers.length === 0)
    return [
      {
        artifact: {
          ...base,
          format: manifest.artifactType ?? layers[0]?.mediaType ?? descriptor.mediaType,
          size: layers.reduce((sum, { size }) => sum + size, 0),
          isSigned: kind === "signature",
          ...(said === undefined ? {} : { created: { time: said, saidBy: "manifest" as const } }),
        },
      },
    ];
  const wanted = (tag !== undefined || isOci11 ? layers : layers.slice(0, 1)).slice(0, Math.max(0, maxItems) + 1);
  return mapLimit(wanted, readsAtOnce, (layer) =>
    describeLayer(layer, { base, said, isNotation: isNotation(item), read }),
  );
}

interface Around {
  readonly base: Omit<DescribedArtifact, "format" | "size" | "isSigned">;
  readonly said: string | undefined;
  readonly isNotation: boolean;
  readonly read: ReadBlob;
}

async function describeLayer(layer: Descriptor, { base, said, isNotation, read }: Around): Promise<ReadArtifact> {
  const problems = [...base.problems];
  const claims = await claimsOf(layer, isNotation, read).catch((error: unknown) => {
    problems.push(problemOf(error));
    return undefined;
  });
  const { payload: _, problems: found = [], ...shown } = claims ?? { problems: [] };
  const label = layer.annotations?.["predicateType"];
  const created = createdOf(claims) ?? (said === undefined ? undefined : { time: said, saidBy: "manifest" as const });
  const artifact: DescribedArtifact = {
    ...base,
    kind: claims === undefined || base.kind === "other" ? base.kind : claims.isAttestation ? "attestation" : base.kind,
    format: formatOf(layer, isNotation),
    evidence: layer.digest,
    size: layer.size,
    isSigned: true,
    ...(claims === undefined ? {} : { claims: shown as ShownClaims }),
    ...(created === undefined ? {} : { created }),
    problems: [
      ...new Set([
        ...problems,
        ...found,
        ...(claims !== undefined && label !== undefined && label !== claims.predicateType
          ? [`its label says predicate type ${label.slice(0, 200)}, which is not what is signed`]
          : []),
      ]),
    ],
  };
  return { artifact, layer };
}

function placeOf({ tag, isUnderFallbackTag }: Attached, isOci11: boolean): AttachedPlace {
  if (tag !== undefined) return places[tag.slice(tag.lastIndexOf(".") + 1)] ?? "sig-tag";
  if (isOci11) return "oci-1-1";
  return isUnderFallbackTag === true ? "fallback-tag" : "referrer";
}

function isNotation({ root: { manifest } }: Attached): boolean {
  return manifest.artifactType === notation || (manifest.kind === "manifest" && manifest.config.mediaType === notation);
}

function formatOf({ mediaType }: Descriptor, notationSigned: boolean): string {
  if (bundle.test(mediaType)) return "bundle";
  if (notationSigned) return "notation";
  return mediaType === simpleSigningMediaType || mediaType === envelopeMediaType ? "cosign" : mediaType;
}

async function claimsOf(
  layer: Descriptor,
  notationSigned: boolean,
  read: ReadBlob,
): Promise<SignatureClaims | undefined> {
  if (layer.size > maxDecoded) return undefined;
  const content = await read(layer, maxDecoded);
  if (bundle.test(layer.mediaType)) return bundleClaims(content);
  if (notationSigned) return layer.mediaType === "application/jose+json" ? jwsClaims(content) : undefined;
  if (layer.mediaType === simpleSigningMediaType) return simpleSigningClaims(content, layer.annotations);
  return envelopeClaims(content, layer.annotations);
}

function createdOf(claims: SignatureClaims | undefined): DescribedArtifact["created"] {
  const log = claims?.log.find(({ integratedTime }) => integratedTime !== undefined)?.integratedTime;
  if (log !== undefined) return { time: log, saidBy: "log" };
  const timestamp = claims?.timestamps.find(({ time }) => time !== undefined)?.time;
  if (timestamp !== undefined) return { time: timestamp, saidBy: "timestamp" };
  const signed = claims?.annotations["dev.imagetrust.created"]?.slice(0, 100) ?? claims?.signingTime;
  return signed === undefined ? undefined : { time: signed, saidBy: "signature" };
}

/** Who signed, as the signature itself says; undefined where it does not. */
export function claimedSigner(claims: ShownClaims | undefined): string | undefined {
  const leaf = claims?.certificates.find(isReadable);
  if (leaf !== undefined) {
    const issuer = leaf.fulcio["issuer"];
    return `${leaf.names[0] ?? leaf.subject}, ${issuer === undefined ? `issued by ${leaf.issuer}` : issuer}`;
  }
  return claims?.keyHint === undefined ? undefined : `key ${claims.keyHint.slice(0, 16)}`;
}

function problemOf(error: unknown): string {
  const { code, message } = asTrustError(error);
  return `${code}: ${message}`;
}
