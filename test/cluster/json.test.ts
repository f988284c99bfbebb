import { expect, test } from "vitest";
import { parseObject } from "../../src/cluster/json.ts";

const parse = (text: string) => parseObject(Buffer.from(text));

test.each(["", "[]", "null", "1", '"a"', "{", '{"a":}'])("%j is no object", (text) => {
  expect(parse(text)).toBeUndefined();
});

test.each(['"__proto__"', '"\\u005f_proto__"', '"__pr\\u006Fto__"', '"_\\u005Fproto_\\u005f"'])(
  "a member called %s changes no prototype, of the object or of a copy",
  (name) => {
    const parsed = parse(`{"a":{${name}:{"admin":true},"b":1}}`);
    expect(parsed).toEqual({ a: { b: 1 } });
    expect(Object.keys(parsed?.["a"] as object)).toEqual(["b"]);
    expect(Object.assign({}, parsed?.["a"])).not.toHaveProperty("admin");
  },
);

test("members called constructor and prototype are what they are", () => {
  expect(parse('{"constructor":{"prototype":1}}')).toEqual({ constructor: { prototype: 1 } });
});
