import type { PolicySet } from "../policy/policy.ts";
import { lintExceptions } from "./lint-exceptions.ts";
import { lintIdentities } from "./lint-identities.ts";
import { lintImages } from "./lint-images.ts";
import { lintMatch } from "./lint-match.ts";
import { lintSet } from "./lint-set.ts";
import { lintSigners } from "./lint-signers.ts";
import { lintTimes } from "./lint-times.ts";
import { type Lint, lintLevels, nameOf, type Remark, type Subject } from "./remark.ts";
import { readWritten, type WrittenObjects } from "./written.ts";

const perPolicy = [lintImages, lintMatch, lintSigners, lintTimes, lintIdentities];

/** Everything about policies that load and will not do what they seem to. By place; `now` in milliseconds since 1970. */
export async function lintPolicies(
  set: PolicySet,
  { cwd, now, objects }: { readonly cwd: string; readonly now: number; readonly objects?: WrittenObjects | undefined },
): Promise<readonly Lint[]> {
  const { policies, exceptions = [] } = set;
  const written = await readWritten(
    [...policies, ...exceptions].map(({ source }) => source),
    cwd,
    objects,
  );
  // What stands for an object that cannot be used is not as anybody wrote it.
  const asWritten = policies.filter(({ unusable = [] }) => unusable.every(({ object }) => object === undefined));
  const subjects = asWritten.map((policy): Subject => {
    const own = written(policy.source);
    return { policy, written: own, at: (...path) => own.placeOf(["spec", ...path]), now };
  });
  const each = await Promise.all(
    subjects.map(async (subject) => {
      const remarks = await Promise.all(perPolicy.map((lint) => lint(subject)));
      return remarks.flat().map((remark) => named(remark, nameOf(subject.policy)));
    }),
  );
  const warnings = (set.warnings ?? []).map(({ place, what, expected = "" }) =>
    named({ code: "foreign-construct", place, message: what, advice: expected }),
  );
  const others = [...lintSet({ ...set, policies: asWritten }, subjects), ...lintExceptions(set, written, now)];
  return [...each.flat(), ...warnings, ...others.map(({ policy, ...remark }) => named(remark, policy))].sort(byPlace);
}

function named(remark: Remark, policy?: string): Lint {
  const { code, place, message, advice } = remark;
  return { code, level: lintLevels[code], place, ...(policy === undefined ? {} : { policy }), message, advice };
}

/** By file, line and column. */
function byPlace(a: Lint, b: Lint): number {
  const [file, line, column] = positionOf(a.place);
  const [otherFile, otherLine, otherColumn] = positionOf(b.place);
  if (file !== otherFile) return file < otherFile ? -1 : 1;
  return line - otherLine || column - otherColumn;
}

function positionOf(place: string): [string, number, number] {
  const [, file = place, line = "0", column = "0"] = /^(.*):(\d+):(\d+)$/s.exec(place) ?? [];
  return [file, Number(line), Number(column)];
}
