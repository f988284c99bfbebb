import { digestOf } from "../../src/crypto/digest.ts";
import { type Descriptor, mediaTypes, type Platform } from "../../src/oci/manifest.ts";
import type { ImageReference } from "../../src/oci/reference.ts";
import type { Registry } from "../../src/oci/registry.ts";
import { pushImage, tinyImage } from "./images.ts";

/** What an index holds, by `os/arch[/variant]`; an empty name is an entry without a platform. */
export type IndexEntries = Readonly<Record<string, Descriptor>>;

/** Pushes one small image for each platform, without tags; `unknown/unknown` stands for what BuildKit attests. */
export async function pushPlatforms(
  registry: Registry,
  { registry: host, repository }: ImageReference,
  seed: string,
  platforms: readonly string[],
): Promise<IndexEntries> {
  const entries = platforms.map(async (name) => {
    const image = tinyImage(`${seed} ${name}`);
    await pushImage(registry, { registry: host, repository }, image);
    return [name, image.descriptor] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Pushes an index of these entries, under the tag of the reference if it has one. */
export async function pushIndex(registry: Registry, ref: ImageReference, entries: IndexEntries): Promise<Descriptor> {
  const manifests = Object.entries(entries).map(([name, descriptor]) => ({ ...descriptor, ...platformOf(name) }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }));
  const { tag } = ref;
  await registry.pushManifest(ref, { bytes, mediaType: mediaTypes.imageIndex, ...(tag === undefined ? {} : { tag }) });
  return { mediaType: mediaTypes.imageIndex, digest: digestOf(bytes), size: bytes.length };
}

function platformOf(name: string): { readonly platform?: Platform } {
  const [os = "", architecture = "", variant] = name.split("/");
  if (name === "") return {};
  return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
}
