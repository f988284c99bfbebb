import { randomUUID } from "node:crypto";
import type { Digest } from "../crypto/digest.ts";

export const actions = ["push", "pull", "mount", "delete"] as const;
export type Action = (typeof actions)[number];

/** What happened to a blob, a manifest or a tag. `size` in bytes. */
export interface Happening {
  readonly action: Action;
  readonly repository: string;
  readonly digest?: Digest | undefined;
  readonly mediaType?: string | undefined;
  readonly size?: number | undefined;
  readonly tag?: string | undefined;
  readonly fromRepository?: string | undefined;
}

/** The request that made it happen. */
export interface Cause {
  readonly id: string;
  /** Address of the client. */
  readonly address: string;
  /** The URL's scheme and host, for the links in the event. */
  readonly base: string;
  readonly host: string;
  readonly method: string;
  readonly userAgent: string;
  /** The user, where somebody signed in. */
  readonly user?: string | undefined;
}

/** This process, as events name it. */
export interface EventSource {
  readonly addr: string;
  readonly instanceID: string;
}

/** An event in the envelope of the Docker registry's notifications. */
export type RegistryEvent = ReturnType<typeof makeEvent>;

export const eventsMediaType = "application/vnd.docker.distribution.events.v1+json";

export function makeEvent(happening: Happening, cause: Cause, source: EventSource, now: Date) {
  const { action, repository, digest, mediaType, size, tag, fromRepository } = happening;
  return {
    id: randomUUID(),
    timestamp: now.toISOString(),
    action,
    target: {
      mediaType,
      size,
      digest,
      length: size,
      repository,
      fromRepository,
      url: urlOf(happening, cause.base),
      tag,
    },
    request: {
      id: cause.id,
      addr: cause.address,
      host: cause.host,
      method: cause.method,
      useragent: cause.userAgent,
    },
    actor: cause.user === undefined ? {} : { name: cause.user },
    source,
  };
}

/** Blobs have no media type of their own; a manifest's is known wherever there is something to link to. */
function urlOf({ repository, digest, mediaType, tag }: Happening, base: string): string | undefined {
  const kind = mediaType === undefined || mediaType === blobMediaType ? "blobs" : "manifests";
  const reference = digest ?? tag;
  return reference === undefined ? undefined : `${base}/v2/${repository}/${kind}/${reference}`;
}

export const blobMediaType = "application/octet-stream";
