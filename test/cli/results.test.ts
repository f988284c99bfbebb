import { expect, test } from "vitest";
import type { OutputForm } from "../../src/cli/command.ts";
import type { Io } from "../../src/cli/io.ts";
import { createResults } from "../../src/cli/results.ts";

function printed(output: OutputForm, order: readonly number[]): string[] {
  const pieces: string[] = [];
  const io = { stdout: { write: (text: string) => void pieces.push(text) } } as unknown as Io;
  const results = createResults<{ n: number }>({ io, output }, ({ n }) => `text ${n}\n`);
  for (const n of order) results.add({ n }, n);
  results.end();
  return pieces;
}

test("text comes in argument order, as soon as what is before it is there", () => {
  expect(printed("table", [2, 0, 1])).toEqual(["text 0\n", "text 1\n", "text 2\n"]);
});

test("json is one array in argument order, also for one result and for none", () => {
  expect(JSON.parse(printed("json", [2, 0, 1]).join(""))).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  expect(JSON.parse(printed("json", [0]).join(""))).toEqual([{ n: 0 }]);
  expect(JSON.parse(printed("json", []).join(""))).toEqual([]);
});

test("jsonl is one line for each, as they come", () => {
  expect(printed("jsonl", [2, 0, 1])).toEqual(['{"n":2}\n', '{"n":0}\n', '{"n":1}\n']);
});
