import { describe, expect, it } from "vitest";
import { RegistryError } from "../../src/registry/errors.ts";
import { parseTarget } from "../../src/registry/target.ts";
import { sha } from "./support/client.ts";

const digest = sha("x");

describe("the path of a request", () => {
  it.each([
    ["/v2/", { kind: "base" }],
    ["/v2/_catalog", { kind: "catalog" }],
    ["/v2/a/b/manifests/v1", { kind: "manifest", repository: "a/b", reference: "v1" }],
    [`/v2/a/manifests/${digest}`, { kind: "manifest", repository: "a", reference: digest }],
    [`/v2/a/manifests/${digest.replace(":", "%3A")}`, { kind: "manifest", repository: "a", reference: digest }],
    [`/v2/a/blobs/${digest}`, { kind: "blob", repository: "a", digest }],
    ["/v2/a/blobs/uploads/", { kind: "uploads", repository: "a" }],
    ["/v2/a/blobs/uploads", { kind: "uploads", repository: "a" }],
    ["/v2/a/blobs/uploads/id", { kind: "upload", repository: "a", id: "id" }],
    ["/v2/a/tags/list", { kind: "tags", repository: "a" }],
    [`/v2/a/referrers/${digest}`, { kind: "referrers", repository: "a", digest }],
    [
      "/v2/blobs/uploads/manifests/manifests/latest",
      { kind: "manifest", repository: "blobs/uploads/manifests", reference: "latest" },
    ],
    ["/v2/manifests/tags/list", { kind: "tags", repository: "manifests" }],
    ["/v2/_catalog/manifests/x", "NAME_INVALID"],
    ["/v2/A/manifests/x", "NAME_INVALID"],
    ["/v2/../manifests/x", "NAME_INVALID"],
    ["/v2/%2e%2e/manifests/x", "NAME_INVALID"],
    ["/v2/a/%2e%2e/%2e%2e/etc/manifests/x", "NAME_INVALID"],
    ["/v2/a//b/manifests/x", "NAME_INVALID"],
    ["/v2/a%00/manifests/x", "NAME_INVALID"],
    ["/v2/a\\b/manifests/x", "NAME_INVALID"],
    [`/v2/${"a".repeat(256)}/manifests/x`, "NAME_INVALID"],
    ["/v2/%/manifests/x", "NAME_INVALID"],
    ["/v2/a/manifests/..", "NAME_INVALID"],
    ["/v2/a/manifests/.x", "NAME_INVALID"],
    ["/v2/a/manifests/", "NAME_INVALID"],
    [`/v2/a/manifests/${"x".repeat(129)}`, "NAME_INVALID"],
    ["/v2/a/manifests/sha256:short", "DIGEST_INVALID"],
    [`/v2/a/blobs/${digest.toUpperCase()}`, "DIGEST_INVALID"],
    ["/v2/a/blobs/sha256:..%2F..%2Fx", "UNSUPPORTED"],
    ["/v2/a/referrers/x", "DIGEST_INVALID"],
    ["/v2/a", "UNSUPPORTED"],
    ["/v1/a/manifests/x", "UNSUPPORTED"],
    ["/etc/passwd", "UNSUPPORTED"],
  ])("%s", (path, expected) => {
    let found: unknown;
    try {
      found = parseTarget(path);
    } catch (error) {
      found = error instanceof RegistryError ? error.code : error;
    }
    expect(found).toEqual(expected);
  });
});
