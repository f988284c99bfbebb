import { createHash, randomBytes } from "node:crypto";

/** The media types that the checks use; written out, because they are what the server is tested against. */
export const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  config: "application/vnd.oci.image.config.v1+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  foreignLayer: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  empty: "application/vnd.oci.empty.v1+json",
  bytes: "application/octet-stream",
} as const;

/** Every type of manifest, as a client says what it takes. */
export const acceptAll = [types.manifest, types.index, types.dockerManifest, types.dockerList].join(", ");

export interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
  readonly data?: string;
}

/** Bytes with the descriptor that points at them. */
export interface Content {
  readonly bytes: Buffer;
  readonly descriptor: Described;
}

type Algorithm = "sha256" | "sha512";

function digestOf(bytes: Uint8Array, algorithm: Algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** A digest that nothing has. */
export function unknownDigest(algorithm: Algorithm = "sha256"): string {
  return digestOf(randomBytes(32), algorithm);
}

export function contentOf(bytes: Uint8Array, mediaType: string = types.bytes, algorithm?: Algorithm): Content {
  return {
    bytes: Buffer.from(bytes),
    descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length },
  };
}

/** Bytes that nobody has pushed before. */
export function freshContent(size = 256, mediaType: string = types.layer, algorithm?: Algorithm): Content {
  return contentOf(randomBytes(size), mediaType, algorithm);
}

export const emptyJson: Content = contentOf(Buffer.from("{}"), types.empty);

/** The fields of a manifest beside those that every one has. */
export interface ManifestFields {
  readonly [field: string]: unknown;
}

/** The JSON of a manifest or index as content; `space` as in JSON.stringify. */
export function documentOf(mediaType: string, fields: ManifestFields, space?: string): Content {
  return contentOf(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }, null, space)), mediaType);
}

/** A configuration that differs from all others, in the form of an image's. */
export function freshConfig(mediaType: string = types.config): Content {
  const config = { architecture: "amd64", os: "linux", author: randomBytes(8).toString("hex") };
  return contentOf(Buffer.from(JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: [] } })), mediaType);
}
