import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readState } from "../../src/cli/state.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("state");
afterAll(() => folder.cleanup());
let serial = 0;
const newPath = () => join(folder.path, `state-${serial++}.json`);
const time = Date.UTC(2026, 0, 1);

describe("the state of a verifier", () => {
  it("is there again in the next run", async () => {
    const path = newPath();
    const state = await readState(path);
    state.marks.raise("p app:1", time);
    await state.save();
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      apiVersion: "imagetrust.dev/v1alpha1",
      kind: "VerifierState",
      marks: { "p app:1": "2026-01-01T00:00:00.000Z" },
    });
    expect((await readState(path)).marks.get("p app:1")).toBe(time);
  });
  it("is not written where nothing was learnt", async () => {
    const path = newPath();
    await (await readState(path)).save();
    expect(() => readFileSync(path)).toThrow("ENOENT");
  });
  it("keeps what others learnt meanwhile, and of each mark the newest", async () => {
    const path = newPath();
    const [one, two] = [await readState(path), await readState(path)];
    one.marks.raise("a", time + 5);
    one.marks.raise("b", time);
    two.marks.raise("a", time);
    two.marks.raise("c", time);
    await one.save();
    await two.save();
    const { marks } = await readState(path);
    expect(["a", "b", "c"].map((key) => marks.get(key))).toEqual([time + 5, time, time]);
  });
  it("loses nothing of many that write at once", async () => {
    const path = newPath();
    const states = await Promise.all(Array.from({ length: 4 }, () => readState(path)));
    for (const [i, { marks }] of states.entries()) marks.raise(`k${i}`, time);
    await Promise.all(states.map((state) => state.save()));
    const { marks } = await readState(path);
    expect(states.map((_, i) => marks.get(`k${i}`))).toEqual(states.map(() => time));
  });
  it.each(["", "{}", "[]", '{"apiVersion":"imagetrust.dev/v1alpha1","kind":"VerifierState","marks":{"a":"soon"}}'])(
    "that is %j is refused, never forgotten",
    async (text) => {
      const path = newPath();
      writeFileSync(path, text);
      await expect(readState(path)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    },
  );
  it("is saved by a server whenever a mark is raised, and a failure is told", async () => {
    const path = newPath();
    const state = await readState(path);
    const marks = state.saving(() => {});
    marks.raise("a", time);
    marks.raise("a", time + 1);
    await expect.poll(async () => (await readState(path)).marks.get("a")).toBe(time + 1);
    const failed = Promise.withResolvers<string>();
    const nowhere = await readState(join(folder.path, "no", "such", "folder"));
    nowhere.saving(({ code }) => failed.resolve(code)).raise("a", time);
    expect(await failed.promise).toBe("FILE_UNWRITABLE");
  });
});
