import { describe, expect, it } from "vitest";
import { parseListen, urlOf } from "../../webhook/listen.ts";
import { codeOf } from "../support/errors.ts";

describe("parseListen", () => {
  it.each([
    [":8443", { host: undefined, port: 8443 }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["[::1]:443", { host: "::1", port: 443 }],
    ["webhook.local:65535", { host: "webhook.local", port: 65_535 }],
  ])("reads %s", (text, expected) => {
    expect(parseListen(text)).toEqual(expected);
  });

  it.each(["", "8443", "localhost", ":", ":65536", "::1:80", "http://a:1", "a b:1", ":-1"])("refuses %j", (text) => {
    expect(codeOf(() => parseListen(text))).toBe("CONFIG_INVALID");
  });
});

describe("urlOf", () => {
  const bound = { address: "x", family: "IPv4", port: 1234 };

  it.each([
    [":0", "https://localhost:1234"],
    ["0.0.0.0:0", "https://localhost:1234"],
    ["[::]:0", "https://localhost:1234"],
    ["127.0.0.1:0", "https://127.0.0.1:1234"],
    ["[::1]:0", "https://[::1]:1234"],
  ])("of %s is %s", (text, expected) => {
    expect(urlOf(parseListen(text), bound)).toBe(expected);
  });
});
