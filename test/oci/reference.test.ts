import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TrustError } from "../../src/errors.ts";
import {
  atDigest,
  formatReference,
  formatRepository,
  isRepository,
  isTag,
  manifestReference,
  parseReference,
  parseRegistryHost,
  parseRepository,
  referrersTag,
} from "../../src/oci/reference.ts";

const sha256 = `sha256:${"a".repeat(64)}` as const;
const sha512 = `sha512:${"b".repeat(128)}` as const;

describe("names", () => {
  // Cases of github.com/distribution/reference, reference_test.go and normalize_test.go, with Docker's defaults.
  test.each([
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["library/nginx", "docker.io/library/nginx:latest"],
    ["bitnami/redis", "docker.io/bitnami/redis:latest"],
    ["docker.io/nginx", "docker.io/library/nginx:latest"],
    ["docker.io/library/nginx", "docker.io/library/nginx:latest"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
    ["index.docker.io/library/nginx:1", "docker.io/library/nginx:1"],
    ["registry-1.docker.io/bitnami/redis", "docker.io/bitnami/redis:latest"],
    ["test.com/repo:tag", "test.com/repo:tag"],
    ["test:5000/repo", "test:5000/repo:latest"],
    ["test:5000/repo:tag", "test:5000/repo:tag"],
    [`test:5000/repo@${sha256}`, `test:5000/repo@${sha256}`],
    [`test:5000/repo:tag@${sha256}`, `test:5000/repo:tag@${sha256}`],
    [`test/repo@${sha512}`, `docker.io/test/repo@${sha512}`],
    ["localhost/repo", "localhost/repo:latest"],
    ["localhost:5000/repo", "localhost:5000/repo:latest"],
    ["127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"],
    ["[::1]:5000/repo:tag", "[::1]:5000/repo:tag"],
    ["[2001:db8::1]/repo", "[2001:db8::1]/repo:latest"],
    ["a/a/a/a/a/a/a/a/a", "docker.io/a/a/a/a/a/a/a/a/a:latest"],
    ["sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com/bar/baz/quux:latest"],
    ["sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com/bar/baz/quux:some-long-tag"],
    ["b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io/test.example.com/my-app:test.example.com"],
    ["xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"],
    ["foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"],
    ["foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"],
    ["foo__bar/baz---qux", "docker.io/foo__bar/baz---qux:latest"],
    ["test.com:443/repo", "test.com/repo:latest"],
    ["TEST.com/repo", "test.com/repo:latest"],
  ])("%s is %s", (text, canonical) => {
    expect(formatReference(parseReference(text))).toBe(canonical);
  });

  test.each([
    [""],
    [":justtag"],
    ["@sha256:abc"],
    [`@${sha256}`],
    ["repo@sha256:ffffffffffffffffffffffffffffffffff"],
    [`repo@SHA256:${"a".repeat(64)}`],
    [`repo@sha256:${"A".repeat(64)}`],
    [`repo@md5:${"a".repeat(32)}`],
    [`repo@${sha256}@${sha256}`],
    [`repo@${sha256}:tag`],
    ["Uppercase:tag"],
    ["Uppercase/repo"],
    ["aa/asdf$$^/aa"],
    ["test:5000/Uppercase/lowercase:tag"],
    ["lowercase/Uppercase"],
    ["nginx/"],
    ["/nginx"],
    ["a//b"],
    ["a/./b"],
    ["a/../b"],
    ["../b"],
    ["test.com/"],
    ["test.com/a:"],
    ["test.com/a:tag:tag"],
    ["test.com/a: tag"],
    ["test.com/a\n"],
    [" nginx"],
    ["a-/b"],
    ["a___b"],
    ["a..b"],
    ["-foo/bar"],
    ["foo.-bar.com/x"],
    ["test.com:port/x"],
    ["test.com:123456/x"],
    ["[::1/x"],
    ["[fe80::1%eth0]/x"],
    ["https://test.com/x"],
    ["user@test.com/x"],
    ["a".repeat(64)],
    [`test.com/${"a".repeat(256)}`],
    [`test.com/a:${"t".repeat(129)}`],
    ["test.com/ä"],
    ["tést.com/a"],
    ["test.com/a%2fb"],
    ["test.com/a?x=y"],
    ["test.com\\a"],
  ])("%j is refused", (text) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: "REFERENCE_INVALID", category: "usage" }),
    );
  });

  test("a tag beside a digest is kept, and the digest decides", () => {
    const ref = parseReference(`test.com/app:v1@${sha256}`);
    expect(ref).toEqual({ registry: "test.com", repository: "app", tag: "v1", digest: sha256 });
    expect(manifestReference(ref)).toBe(sha256);
    expect(formatReference(atDigest(ref, sha512))).toBe(`test.com/app@${sha512}`);
  });

  test("a repository has neither tag nor digest", () => {
    expect(formatRepository(parseRepository("nginx"))).toBe("docker.io/library/nginx");
    for (const text of ["nginx:1", `nginx@${sha256}`]) expect(() => parseRepository(text)).toThrow(TrustError);
  });

  test.each([
    ["Registry.Example.com:443", "registry.example.com"],
    ["index.docker.io", "docker.io"],
    ["localhost:5000", "localhost:5000"],
    ["[::1]:5000", "[::1]:5000"],
  ])("the registry %s is %s", (text, canonical) => {
    expect(parseRegistryHost(text)).toBe(canonical);
  });

  test.each([[""], ["https://a"], ["a/b"], ["a b"], ["a:"], ["a_b"], ["@"], ["a.b:0443"], ["a.b:0"], ["a.b:65536"]])(
    "the registry %j is refused",
    (text) => {
      expect(() => parseRegistryHost(text)).toThrow(expect.objectContaining({ code: "REFERENCE_INVALID" }));
    },
  );

  test("the fallback tag is the digest with a dash, cut to 64 digits", () => {
    expect(referrersTag(sha256)).toBe(`sha256-${"a".repeat(64)}`);
    expect(referrersTag(sha512)).toBe(`sha512-${"b".repeat(64)}`);
    expect(isTag(referrersTag(sha512))).toBe(true);
  });
});

describe("properties", () => {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const word = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 8 });
  const component = fc.tuple(word, fc.constantFrom(".", "_", "__", "-", "--"), word).map((parts) => parts.join(""));
  const repository = fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join("/"));
  const host = fc
    .tuple(word, word, fc.option(fc.integer({ min: 1, max: 65_535 })))
    .map(([a, b, port]) => `${a}.${b}${port === null ? "" : `:${port}`}`);
  const tag = fc
    .string({ unit: fc.constantFrom(...letters, "_", ".", "-"), minLength: 1, maxLength: 128 })
    .filter(isTag);
  const digest = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => `sha256:${Buffer.from(bytes).toString("hex")}` as const);

  test("what is put together comes apart the same", () => {
    fc.assert(
      fc.property(host, repository, fc.option(tag), fc.option(digest), (registry, name, withTag, withDigest) => {
        const text = `${registry}/${name}${withTag === null ? "" : `:${withTag}`}${withDigest === null ? "" : `@${withDigest}`}`;
        const ref = parseReference(text);
        expect(ref.registry).toBe(registry.replace(/:443$/, ""));
        expect(ref.repository).toBe(name);
        expect(ref.tag).toBe(withTag ?? (withDigest === null ? "latest" : undefined));
        expect(ref.digest).toBe(withDigest ?? undefined);
      }),
    );
  });

  test("any text parses to one canonical name, or is refused as usage", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..."aA0./:@_-[]%\\ \n".split("")), maxLength: 40 }),
    );
    fc.assert(
      fc.property(anything, (text) => {
        let canonical: string;
        try {
          const ref = parseReference(text);
          expect(isRepository(ref.repository)).toBe(true);
          canonical = formatReference(ref);
        } catch (error) {
          expect(error).toMatchObject({ code: "REFERENCE_INVALID" });
          return;
        }
        expect(formatReference(parseReference(canonical))).toBe(canonical);
        // Nothing that could lead a URL or a path elsewhere gets through.
        expect(canonical).toMatch(
          /^[a-z0-9.:[\]-]+\/[a-z0-9._/-]+(?::[A-Za-z0-9_.-]+)?(?:@sha(?:256|512):[0-9a-f]+)?$/,
        );
        expect(canonical).not.toContain("..");
      }),
      { numRuns: 2_000 },
    );
  });
});
