import type { ImagePattern } from "../policy/policy.ts";
import { covers, overlaps } from "./glob-language.ts";
import { isForeign, type Remark, type Subject } from "./remark.ts";
import { textAt } from "./written.ts";

/** Images that are never reached, and globs that mean something else than they seem to. */
export function lintImages(subject: Subject): readonly Remark[] {
  if (isForeign(subject.policy)) return [];
  const { images } = subject.policy;
  return [
    ...images.flatMap((image, index) => reached(subject, image, index)),
    ...images.flatMap((image, index) => tagRemarks(subject, image, index)),
    ...excludeRemarks(subject),
    ...hubRemarks(
      subject,
      images.map((_, index) => ["images", index, "glob"]),
    ),
    ...hubRemarks(
      subject,
      subject.policy.exclude.map((_, index) => ["exclude", index]),
    ),
  ];
}

function reached({ policy, at }: Subject, image: ImagePattern, index: number): readonly Remark[] {
  const place = at("images", index, "glob");
  const excluding = policy.exclude.find((glob) => covers(glob, image.glob));
  if (excluding !== undefined)
    return [
      {
        code: "image-excluded",
        place,
        message: `spec.images[${index}] is never judged: exclude ${excluding} covers all of ${image.glob}`,
        advice: "take out the one or the other; an excluded image passes this policy",
      },
    ];
  const covering = policy.images.findIndex((other, at) => at !== index && includes(other, image, at < index));
  if (covering < 0) return [];
  const message = `spec.images[${index}] adds nothing: spec.images[${covering}] covers ${image.glob}`;
  return [{ code: "image-covered", place, message, advice: "take it out" }];
}

/** Of two that match the same, the second is one too many. */
function includes(general: ImagePattern, specific: ImagePattern, isEarlier: boolean): boolean {
  if (!covers(general.glob, specific.glob)) return false;
  const { tags } = general;
  if (tags !== undefined && !(specific.tags?.every((tag) => tags.some((glob) => covers(glob, tag))) ?? false))
    return false;
  const isSame = general.glob === specific.glob && String(general.tags) === String(specific.tags);
  return isEarlier || !isSame;
}

function tagRemarks({ at }: Subject, image: ImagePattern, index: number): readonly Remark[] {
  const tags: readonly string[] = image.tags ?? [];
  return tags.flatMap((tag, position): readonly Remark[] => {
    if (!/^[.-]/.test(tag)) return [];
    const message = `the tag glob ${tag} can never match: no tag starts with ${tag.slice(0, 1)}`;
    const advice = `*${tag} for tags that end so`;
    return [{ code: "glob-never-matches", place: at("images", index, "tags", position), message, advice }];
  });
}

function excludeRemarks({ policy, at }: Subject): readonly Remark[] {
  return policy.exclude.flatMap((glob, index): readonly Remark[] => {
    if (policy.images.some((image) => overlaps(image.glob, glob))) return [];
    const message = `spec.exclude[${index}] excludes nothing: no image of this policy is called like ${glob}`;
    const advice = `a glob within ${policy.images
      .map((image) => image.glob)
      .slice(0, 3)
      .join(" or ")}`;
    return [{ code: "exclude-for-nothing", place: at("exclude", index), message, advice }];
  });
}

/** A name without a registry is Docker Hub's, which not everybody who writes one means. */
function hubRemarks({ policy, written, at }: Subject, paths: readonly (readonly (string | number)[])[]) {
  return paths.flatMap((path): readonly Remark[] => {
    const text = textAt(written.value, ["spec", ...path]);
    if (text === undefined || text.startsWith("**") || hasHost(text)) return [];
    const meant = path[0] === "images" ? policy.images[Number(path[1])]?.glob : policy.exclude[Number(path[1])];
    if (meant === undefined || meant === text) return [];
    const message = `${text} names no registry, so it means ${meant}`;
    const advice = `${meant} for Docker Hub, or **/${text} for every registry`;
    return [{ code: "glob-docker-hub", place: at(...path), message, advice }];
  });
}

function hasHost(text: string): boolean {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  return /[.:[]/.test(first) || first.toLowerCase() === "localhost";
}
