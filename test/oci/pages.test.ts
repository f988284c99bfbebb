import { describe, expect, test } from "vitest";
import { nextPage } from "../../src/oci/pages.ts";

const current = new URL("https://registry.example.com/v2/app/tags/list?n=2");

describe("the next page", () => {
  test.each<[string | string[] | undefined, string | undefined]>([
    [undefined, undefined],
    ["", undefined],
    ['</v2/app/tags/list?last=b&n=2>; rel="next"', "app/tags/list?last=b&n=2"],
    ["</v2/app/tags/list?last=b>; rel=next", "app/tags/list?last=b"],
    ["</v2/app/tags/list?last=b>;rel=NEXT;title=x", "app/tags/list?last=b"],
    ['<list?last=b>; rel="prev next"', "app/tags/list?last=b"],
    ['<?last=b>; rel="next"', "app/tags/list?last=b"],
    ['<https://registry.example.com/v2/x>; rel="next"', "x"],
    ['<http://registry.example.com/v2/x>; rel="next"', "x"],
    ['</v2/prev>; rel="prev", </v2/next>; rel="next"', "next"],
    [['</v2/prev>; rel="prev"', '</v2/next>; rel="next"'], "next"],
    ['</v2/x>; rel="nextish"', undefined],
    ["</v2/x>", undefined],
    ["nonsense", undefined],
  ])("of %j is %j", (header, target) => {
    expect(nextPage(header, current)).toBe(target);
  });

  test.each([
    ["<https://evil.example.com/v2/x>; rel=next"],
    ["<//evil.example.com/v2/x>; rel=next"],
    ["<https://registry.example.com:8443/v2/x>; rel=next"],
    ["<https://registry.example.com@evil.example.com/v2/x>; rel=next"],
    ["</admin>; rel=next"],
    ["</v2/../admin>; rel=next"],
    ["<javascript:alert(1)>; rel=next"],
    ["<https://[>; rel=next"],
  ])("%s leads elsewhere and is refused", (header) => {
    expect(() => nextPage(header, current)).toThrow(expect.objectContaining({ code: "REGISTRY_ERROR" }));
  });
});
