import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Verdict } from "../../src/policy/verdict.ts";
import type { DiffSubject, ImageDiff } from "../../src/policy-tools/diff.ts";
import { foldDiffs } from "../../src/policy-tools/fold-diffs.ts";

const verdict = (outcome: Verdict["outcome"]) => ({ outcome }) as Verdict;
const of = "Deployment prod/web";

function subject(usedBy: string, depth: number, more: Partial<NonNullable<DiffSubject["group"]>> = {}): DiffSubject {
  return { image: "app:1", usedBy, group: { of, image: "app:1", depth, objects: 1, ...more } };
}

function diffOf({ image, usedBy = "" }: DiffSubject, change: ImageDiff["change"] = "denied"): ImageDiff {
  return { image, usedBy, change, old: verdict("allow"), new: verdict(change === "same" ? "allow" : "deny") };
}

const fold = (subjects: readonly DiffSubject[], judged = subjects.map((one) => diffOf(one))) =>
  foldDiffs(subjects, judged).map(({ usedBy, change }) => [usedBy, change]);

describe("rows of a difference", () => {
  const pod = subject("Pod prod/web-1-a", 2, { objects: 3 });
  const replicas = subject("ReplicaSet prod/web-1", 1);
  const deployment = subject(of, 0);

  test("are those of the controller, where all under it is judged alike", () => {
    expect(fold([pod, replicas, deployment])).toEqual([[of, "denied"]]);
  });

  test("are of their own for what is judged otherwise than its controller", () => {
    const judged = [diffOf(pod), diffOf(replicas, "same"), diffOf(deployment, "same")];
    expect(fold([pod, replicas, deployment], judged)).toEqual([
      [`Pod prod/web-1-a and 2 more of ${of}`, "denied"],
      [of, "same"],
    ]);
  });

  test("are of their own for another image, and for another reason", () => {
    const old = subject("ReplicaSet prod/web-0", 1, { image: "app:0" });
    const judged = [diffOf(old), { ...diffOf(replicas), policy: "other" }, diffOf(deployment)];
    expect(fold([old, replicas, deployment], judged)).toEqual([
      [`ReplicaSet prod/web-0 of ${of}`, "denied"],
      [`ReplicaSet prod/web-1 of ${of}`, "denied"],
      [of, "denied"],
    ]);
  });

  test("count several objects beside each other once", () => {
    const others = ["b", "c"].map((name) => subject(`Pod prod/db-${name}`, 1, { of: "StatefulSet prod/db" }));
    const first = subject("Pod prod/db-a", 1, { of: "StatefulSet prod/db" });
    expect(fold([first, ...others])).toEqual([["Pod prod/db-a and 2 more of StatefulSet prod/db", "denied"]]);
  });

  test("stay as they are for what nobody answers for", () => {
    const twice: DiffSubject = { image: "app:1", usedBy: "Pod prod/a" };
    expect(fold([twice, twice, { image: "app:1" }])).toHaveLength(3);
  });

  test("always tell what each subject was judged", () => {
    const anySubject = fc.record({
      group: fc.option(
        fc.record({
          of: fc.constantFrom("x", "y"),
          image: fc.constantFrom("1", "2"),
          depth: fc.nat(2),
          objects: fc.integer({ min: 1, max: 3 }),
        }),
        { nil: undefined },
      ),
      change: fc.constantFrom<ImageDiff["change"]>("denied", "same", "admitted"),
    });
    fc.assert(
      fc.property(fc.array(anySubject), (made) => {
        const subjects = made.map(
          ({ group }, index): DiffSubject => ({ image: `${index}`, usedBy: `${index}`, group }),
        );
        const judged = subjects.map((one, index) => diffOf(one, made[index]?.change));
        const rows = foldDiffs(subjects, judged);
        for (const [index, { group, change }] of made.entries()) {
          const speaks = (row: ImageDiff) => {
            const told = made[Number(row.image)];
            const isOwn = Number(row.image) === index;
            return isOwn || (group !== undefined && told?.group?.of === group.of && told.group.image === group.image);
          };
          expect(rows.some((row) => row.change === change && speaks(row))).toBe(true);
        }
      }),
    );
  });
});
