import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { parseConfig } from "../../src/registry/config.ts";

const example = `
rights:
  - repositories: ["prod/**", base]
    users: [ci, ops]
    allow: [pull, push]
  - { repositories: ["**"], users: [anonymous], allow: [pull] }
notifications:
  endpoints:
    - name: audit
      url: https://events.example.com/registry
      headers: { Authorization: [Bearer token], X-One: one }
      timeout: 2s
      threshold: 3
      backoff: 1m30s
      ignore: { actions: [pull], mediatypes: [application/octet-stream] }
    - { name: off, url: "http://127.0.0.1:1/", disabled: true }
    - { name: plain, url: "http://127.0.0.1:1/" }
limits: { blob: 20GiB, uploads: 12h }
`;

describe("the configuration", () => {
  it("is read with all its parts", () => {
    const config = parseConfig(example, "c.yaml");
    expect(config.rights).toHaveLength(2);
    expect(config.rights?.[0]).toEqual({
      repositories: ["prod/**", "base"],
      users: ["ci", "ops"],
      allow: ["pull", "push"],
    });
    expect(config.endpoints).toEqual([
      {
        name: "audit",
        url: "https://events.example.com/registry",
        headers: { Authorization: ["Bearer token"], "X-One": ["one"] },
        timeout: 2000,
        threshold: 3,
        backoff: 90_000,
        ignore: { actions: ["pull"], mediaTypes: ["application/octet-stream"] },
      },
      {
        name: "plain",
        url: "http://127.0.0.1:1/",
        headers: {},
        timeout: 5000,
        threshold: 5,
        backoff: 10_000,
        ignore: { actions: [], mediaTypes: [] },
      },
    ]);
    expect(config.limits).toEqual({ blobBytes: 20 * 2 ** 30, uploadAgeMs: 12 * 3600 * 1000 });
  });

  it("may be empty, and says nothing about rights then", () => {
    expect(parseConfig("", "c.yaml")).toMatchObject({ endpoints: [] });
    expect(parseConfig("# nothing", "c.yaml")).not.toHaveProperty("rights");
    expect(parseConfig("rights: []", "c.yaml").rights).toEqual([]);
  });

  it.each([
    ["an unknown field", "right: []", "c.yaml:1:1: "],
    [
      "an unknown field inside",
      "rights:\n  - repositories: [a]\n    users: [u]\n    allow: [pull]\n    deny: [push]",
      "c.yaml:5:5: ",
    ],
    ["an unknown right", "rights:\n  - { repositories: [a], users: [u], allow: [pul] }", "c.yaml:2:46: "],
    ["a rule for nobody", "rights:\n  - { repositories: [a], users: [], allow: [pull] }", "c.yaml:2:33: "],
    ["a rule that allows nothing", "rights: [{ repositories: [a], users: [u], allow: [] }]", "c.yaml:1:50: "],
    ["a host in a glob", "rights: [{ repositories: ['host:5000/a'], users: [u], allow: [pull] }]", "c.yaml:1:27: "],
    ["three stars", "rights: [{ repositories: ['***'], users: [u], allow: [pull] }]", "c.yaml:1:27: "],
    [
      "anonymous pushes",
      "rights: [{ repositories: [a], users: [anonymous, u], allow: [pull, push] }]",
      "c.yaml:1:68: ",
    ],
    ["another scheme", "notifications: { endpoints: [{ name: a, url: 'ftp://x/' }] }", "c.yaml:1:46: "],
    ["a credential in a URL", "notifications: { endpoints: [{ name: a, url: 'https://u:p@x/' }] }", "c.yaml:1:46: "],
    [
      "a header of two lines",
      'notifications: { endpoints: [{ name: a, url: "http://x/", headers: { A: "b\\nc" } }] }',
      "c.yaml:1:73: ",
    ],
    ["a bad duration", "limits: { uploads: soon }", "c.yaml:1:20: "],
    ["a bad size", "limits: { blob: 1GB }", "c.yaml:1:17: "],
    ["a list", "- a", "c.yaml:1:1: "],
    ["broken YAML", "a: [", "c.yaml:1:5: "],
    ["a key twice", "rights: []\nrights: []", "c.yaml:2:1: "],
    ["two documents", "rights: []\n---\nrights: []", "c.yaml:3:1: "],
  ])("refuses %s and says where", (_name, text, place) => {
    let error: unknown;
    try {
      parseConfig(text, "c.yaml");
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TrustError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(place) });
    expect(String(error)).not.toContain("u:p");
  });
});
