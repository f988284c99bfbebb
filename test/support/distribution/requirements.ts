import { contentKinds } from "./content-kinds.ts";
import { errorDocuments } from "./errors.ts";
import { management } from "./management.ts";
import { mounts } from "./mount.ts";
import { repositoryNames } from "./names.ts";
import { pullBlobs } from "./pull-blobs.ts";
import { pullManifests } from "./pull-manifests.ts";
import { pushBlobs } from "./push-blobs.ts";
import { pushChunks } from "./push-chunks.ts";
import { pushManifests } from "./push-manifests.ts";
import { referrers } from "./referrers.ts";
import type { Requirement } from "./requirement.ts";
import { tagLists } from "./tags.ts";

/** What the OCI distribution specification v1.1.1 asks of a registry, category by category. */
export const requirements: readonly Requirement[] = [
  ...pullManifests,
  ...pullBlobs,
  ...repositoryNames,
  ...pushBlobs,
  ...pushChunks,
  ...mounts,
  ...pushManifests,
  ...contentKinds,
  ...tagLists,
  ...referrers,
  ...management,
  ...errorDocuments,
];
