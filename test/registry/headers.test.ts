import { describe, expect, it } from "vitest";
import type { Digest } from "../../src/crypto/digest.ts";
import { changeCondition, isUnchanged } from "../../src/registry/conditions.ts";
import { RegistryError } from "../../src/registry/errors.ts";
import { compareNames, takePage } from "../../src/registry/page.ts";
import { parseChunkRange, parseRange, uploadRange } from "../../src/registry/range.ts";
import { sha } from "./support/client.ts";

const current = sha("now") as Digest;
const other = sha("then") as Digest;

function statusOf(run: () => unknown): number {
  try {
    run();
    return 200;
  } catch (error) {
    if (error instanceof RegistryError) return error.status;
    throw error;
  }
}

describe("conditions of a change", () => {
  it.each([
    [{}, current, 200],
    [{}, undefined, 200],
    [{ "if-match": `"${current}"` }, current, 200],
    [{ "if-match": current }, current, 200],
    [{ "if-match": `"${other}", "${current}"` }, current, 200],
    [{ "if-match": `"${other}"` }, current, 412],
    [{ "if-match": `W/"${current}"` }, current, 412],
    [{ "if-match": `"${current}"` }, undefined, 412],
    [{ "if-match": "*" }, current, 200],
    [{ "if-match": "*" }, undefined, 412],
    [{ "if-match": "" }, current, 412],
    [{ "if-none-match": "*" }, undefined, 200],
    [{ "if-none-match": "*" }, current, 412],
    [{ "if-none-match": `"${other}"` }, current, 200],
    [{ "if-none-match": `"${current}"` }, current, 412],
  ])("%o with %s there is %i", (headers, digest, status) => {
    expect(statusOf(() => changeCondition(headers)(digest))).toBe(status);
  });

  it("knows what a reader has already", () => {
    expect(isUnchanged(`"${current}"`, current)).toBe(true);
    expect(isUnchanged(`W/"${current}"`, current)).toBe(true);
    expect(isUnchanged("*", current)).toBe(true);
    expect(isUnchanged(`"${other}"`, current)).toBe(false);
    expect(isUnchanged(undefined, current)).toBe(false);
  });
});

describe("ranges", () => {
  it.each([
    ["bytes=0-9", 100, { start: 0, end: 9 }],
    ["bytes=90-", 100, { start: 90, end: 99 }],
    ["bytes=-10", 100, { start: 90, end: 99 }],
    ["bytes=-1000", 100, { start: 0, end: 99 }],
    ["bytes=50-1000", 100, { start: 50, end: 99 }],
    ["bytes=99-99", 100, { start: 99, end: 99 }],
    ["bytes=100-", 100, "unsatisfiable"],
    ["bytes=10-5", 100, "unsatisfiable"],
    ["bytes=-0", 100, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=-5", 0, "unsatisfiable"],
    ["bytes=0-1,5-6", 100, undefined],
    ["lines=0-1", 100, undefined],
    ["bytes=a-b", 100, undefined],
    ["bytes=-", 100, undefined],
    [undefined, 100, undefined],
  ])("%s of %i bytes", (header, size, expected) => {
    expect(parseRange(header, size)).toEqual(expected);
  });

  it.each([
    ["0-9", { start: 0, end: 9 }],
    ["bytes 10-19/20", { start: 10, end: 19 }],
    ["9-0", undefined],
    ["-9", undefined],
    ["0-", undefined],
    ["0x1-2", undefined],
    ["1e3-2e3", undefined],
  ])("chunk %s", (header, expected) => {
    expect(parseChunkRange(header)).toEqual(expected);
  });

  it("tells how far an upload came", () => {
    expect(uploadRange(0)).toBe("0-0");
    expect(uploadRange(10)).toBe("0-9");
  });
});

describe("pages", () => {
  const names = ["B", "a", "b", "c"].sort(compareNames);

  it("orders names without regard to case first", () => {
    expect(names).toEqual(["a", "B", "b", "c"]);
  });

  it.each([
    [{}, ["a", "B", "b", "c"], undefined],
    [{ n: "2" }, ["a", "B"], '</p?n=2&last=B>; rel="next"'],
    [{ n: "2", last: "B" }, ["b", "c"], undefined],
    [{ n: "1", last: "between" }, ["c"], undefined],
    [{ last: "b" }, ["c"], undefined],
    [{ last: "zzz" }, [], undefined],
    [{ n: "0" }, [], undefined],
    [{ n: "4" }, ["a", "B", "b", "c"], undefined],
  ])("%o", (query, items, link) => {
    const page = takePage(names, "/p", query);
    expect(page.items).toEqual(items);
    expect(page.link).toBe(link);
  });

  it("gives at most a thousand, whatever is asked for", () => {
    const many = Array.from({ length: 1500 }, (_, i) => `n${String(i).padStart(5, "0")}`);
    expect(takePage(many, "/p", { n: "100000" }).items).toHaveLength(1000);
    expect(takePage(many, "/p", {}).link).toContain("last=n00999");
  });

  it.each(["-1", "x", "1.5", "1e3", " 1", "99999999999"])("refuses n=%s", (n) => {
    expect(statusOf(() => takePage(names, "/p", { n }))).toBe(400);
  });
});
