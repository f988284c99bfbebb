import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnRegistry, startOwnRegistry } from "../support/distribution/own.ts";
import { nameOf } from "../support/distribution/requirement.ts";
import { requirements } from "../support/distribution/requirements.ts";
import { answersTaken, noticesSpoiltAnswer } from "../support/distribution/spoil.ts";

let registry: OwnRegistry;
beforeAll(async () => {
  registry = await startOwnRegistry();
});
afterAll(() => registry.stop());

const answers = new Map<string, number>();

describe("distribution-spec v1.1.1, over HTTP", () => {
  // Each in repositories of its own, so they may run at the same time.
  const rows = requirements.map((requirement) => [nameOf(requirement), requirement] as const);
  it.concurrent.each(rows)("%s", async (_name, requirement) => {
    answers.set(requirement.id, await answersTaken(requirement, registry.url));
  });
});

describe("the table of requirements", () => {
  it("has an id of its own for each", () => {
    const ids = requirements.map(({ id }) => id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  it("speaks of every endpoint of the specification", () => {
    const spoken = new Set(requirements.map((requirement) => /^end-\d+[ab]?/.exec(requirement.section)?.[0]));
    const endpoints = "1 2 3 4a 4b 5 6 7 8a 8b 9 10 11 12a 12b 13".split(" ").map((end) => `end-${end}`);
    expect(endpoints.filter((end) => !spoken.has(end))).toEqual([]);
  });

  it("has no check that passes when its last answer is wrong", async () => {
    const blind: string[] = [];
    const rest = requirements.values();
    const work = async () => {
      for (const requirement of rest) {
        const taken = answers.get(requirement.id) ?? (await answersTaken(requirement, registry.url));
        if (!(await noticesSpoiltAnswer(requirement, registry.url, taken))) blind.push(requirement.id);
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    expect(blind).toEqual([]);
  });
});
