import { TrustError } from "../errors.ts";
import { timeOf } from "./binding.ts";
import type { SourceDocument } from "./document.ts";
import type { ExceptedImage, TrustException } from "./exception.ts";
import { parseImageGlob } from "./glob.ts";
import { nonEmpty } from "./non-empty.ts";
import type { ExceptionDocument } from "./schema.ts";

/** Makes an exception out of a document that has the right shape. One that has expired loads, and lets nothing pass. */
export function toTrustException({ metadata, spec }: ExceptionDocument, document: SourceDocument): TrustException {
  const { images, namespaces, policies, expires, reason, approvedBy } = spec;
  return {
    name: metadata.name,
    images: nonEmpty(images.map(toImage)),
    ...(namespaces === undefined ? {} : { namespaces: nonEmpty(namespaces) }),
    ...(policies === undefined ? {} : { policies: nonEmpty(policies) }),
    expires: timeOf(expires),
    reason,
    ...(approvedBy === undefined ? {} : { approvedBy }),
    source: document.placeOf([]),
  };
}

function toImage({ glob, digest }: ExceptionDocument["spec"]["images"][number]): ExceptedImage {
  if (glob !== undefined) return { glob: parseImageGlob(glob) };
  if (digest !== undefined) return { digest };
  throw new TrustError("INTERNAL", "an image of an exception without a name");
}
