import { describe, expect, it } from "vitest";
import { certificateClaims, claimNames } from "../../src/crypto/fulcio-claims.ts";
import { codeOf } from "../support/errors.ts";
import { email, extension, ia5, issue, parse, san, utf8 } from "../support/x509.ts";

const arc = "1.3.6.1.4.1.57264.1";
const certificate = (...claims: readonly (readonly [number, Uint8Array])[]) =>
  parse(
    issue({
      extensions: [
        san([email("ci@example.com")]),
        ...claims.map(([number, value]) => extension(`${arc}.${number}`, value)),
      ],
    }),
  );
const raw = (text: string) => Buffer.from(text);

describe("certificateClaims", () => {
  it("reads every claim by name, in the encoding it has", () => {
    const numbers = [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24];
    const claims = certificateClaims(
      certificate(
        ...numbers.map((number) => [number, number <= 6 ? raw(`claim ${number}`) : utf8(`claim ${number}`)] as const),
      ),
    );
    expect(Object.keys(claims)).toEqual(claimNames);
    expect(Object.values(claims)).toEqual(numbers.map((number) => `claim ${number}`));
  });

  it("takes the issuer from either place, and from both if they agree", () => {
    for (const places of [
      [[1, raw("https://i")]],
      [[8, utf8("https://i")]],
      [
        [1, raw("https://i")],
        [8, utf8("https://i")],
      ],
    ])
      expect(certificateClaims(certificate(...(places as [number, Buffer][])))).toEqual({ issuer: "https://i" });
  });

  it("has no claims where there are none, nor any of other arcs", () => {
    expect(certificateClaims(certificate([99, raw("x")]))).toEqual({});
  });

  it.each<[string, [number, Uint8Array][]]>([
    [
      "two issuers",
      [
        [1, raw("https://a")],
        [8, utf8("https://b")],
      ],
    ],
    [
      "an issuer in DER where bare text belongs",
      [
        [1, utf8("https://a")],
        [8, utf8("https://a")],
      ],
    ],
    ["bare text where DER belongs", [[12, raw("https://github.com/acme")]]],
    ["another type of string", [[12, ia5("https://github.com/acme")]]],
    ["bytes after the string", [[12, Buffer.concat([utf8("a"), Buffer.of(0)])]]],
    ["a NUL", [[5, raw("acme/app\0")]]],
    ["a line break", [[14, utf8("refs/heads/main\nrefs/heads/other")]]],
    ["what is not UTF-8", [[5, Buffer.of(0xc3, 0x28)]]],
    ["kilobytes", [[5, Buffer.alloc(9000, 0x61)]]],
  ])("refuses %s", (_, claims) => {
    expect(codeOf(() => certificateClaims(certificate(...claims)))).toBe("CERTIFICATE_INVALID");
  });
});
