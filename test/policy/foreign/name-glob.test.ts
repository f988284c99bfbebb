import { describe, expect, it } from "vitest";
import { parseReference } from "../../../src/oci/reference.ts";
import { parseNameGlob } from "../../../src/policy/foreign/name-glob.ts";
import { matchPolicies } from "../../../src/policy/match.ts";
import type { ObjectContext } from "../../../src/policy/policy.ts";
import { codeOf } from "../../support/errors.ts";
import { foreignSet, imagePolicy } from "../../support/foreign.ts";

const authorities = [{ static: { action: "fail" } }];
const digest = `sha256:${"5".repeat(64)}`;

async function matches(glob: string, image: string): Promise<boolean> {
  const set = await foreignSet(imagePolicy({ images: [{ glob }], authorities }));
  return matchPolicies(set, parseReference(image)).length > 0;
}

// The cases of policy-controller's pkg/apis/glob.
describe("a glob of a ClusterImagePolicy", () => {
  it.each([
    ["foo", "index.docker.io/library/foo:latest"],
    ["foo", "index.docker.io/library/foo:*"],
    ["foo", "index.docker.io/library/*"],
    ["foo", "index.docker.io/library/*:latest"],
    ["foo", "index.docker.io/*/*"],
    ["foo", "index.docker.io/**"],
    ["foo", "index.docker.**"],
    ["foo", "inde**"],
    ["foo", "**"],
    ["foo", "foo"],
    ["foo", "foo*"],
    ["foo", "foo**"],
    ["foo", "*"],
    ["docker.io/foo", "docker.io/library/foo:latest"],
    ["myuser/myapp", "index.docker.io/myuser/myapp:latest"],
    ["myuser/myapp", "index.docker.io/myuser/*:latest"],
    ["myuser/myapp", "index.docker.io/*/*"],
    ["myuser/myapp", "myuser/myapp"],
    ["myuser/myapp", "myuser/myapp*"],
    ["myuser/myapp", "*/*"],
    ["ghcr.io/foo/bar", "ghcr.io/*/*"],
    ["ghcr.io/foo/bar", "ghcr.io/**"],
    ["ghcr.io/foo", "ghc**"],
    ["ghcr.io/foo", "*/**"],
    ["ghcr.io/foo", "ghcr.io/foo*"],
    ["GHCR.io/foo:v1", "ghcr.io/foo:v1"],
    ["ghcr.io/foo:v1", "GHCR.IO/foo:v1"],
    ["ghcr.io:443/foo:v1", "ghcr.io/foo:*"],
    ["ghcr.io/foo:v1", "ghcr.io:443/foo:*"],
    [`ghcr.io/foo@${digest}`, `ghcr.io/foo@${digest}`],
    [`ghcr.io/foo:v1@${digest}`, `ghcr.io/foo@${digest}`],
    [`ghcr.io/foo:v1@${digest}`, "ghcr.io/foo:v1"],
    [`ghcr.io/foo@${digest}`, "ghcr.io/foo@*"],
  ])("has the image %s match %s", async (image, glob) => {
    expect(await matches(glob, image)).toBe(true);
  });

  it.each([
    ["ghcr.io/foo", "ghcr.io/*/*"],
    ["prefix-ghcr.io/foo", "ghcr.io/foo"],
    ["ghcr.io/foo-suffix", "ghcr.io/foo"],
    ["ghcrxio.example/foo", "ghcr.io/**"],
    ["ghcr.io/foo:v1", "ghcr.io/foo"],
    ["ghcr.io/foo:v2", "ghcr.io/foo:v1"],
    ["ghcr.io/foo", "*"],
    ["myuser/myapp", "*"],
    ["ghcr.io/foo/bar", "*/*"],
    [`ghcr.io/foo@${digest}`, `ghcr.io/foo@sha256:${"6".repeat(64)}`],
  ])("does not have the image %s match %s", async (image, glob) => {
    expect(await matches(glob, image)).toBe(false);
  });

  it.each([".+", "[a-z]*", "$FOO*", "foo bar", "foo?", "{a,b}", ""])("is refused as %j", (glob) => {
    expect(codeOf(() => parseNameGlob(glob))).toBe("POLICY_INVALID");
  });
});

describe("match of a ClusterImagePolicy", () => {
  const object = (more: Partial<ObjectContext> = {}): ObjectContext => ({
    apiGroup: "apps",
    resource: "deployments",
    namespace: "prod",
    labels: { tier: "web" },
    ...more,
  });
  async function applies(match: readonly object[], context: ObjectContext): Promise<boolean> {
    const set = await foreignSet(imagePolicy({ authorities, match }));
    return matchPolicies(set, parseReference("ghcr.io/foo"), context).length > 0;
  }
  const deployments = { group: "apps", version: "v1", resource: "deployments" };

  it("is by resource, group and version, one entry being enough", async () => {
    expect(await applies([deployments], object())).toBe(true);
    expect(await applies([{ ...deployments, version: "*" }], object())).toBe(true);
    expect(await applies([{ version: "v1", resource: "pods" }, deployments], object())).toBe(true);
    expect(await applies([{ version: "v1", resource: "pods" }], object())).toBe(false);
    expect(await applies([{ version: "v1", resource: "pods" }], object({ apiGroup: "", resource: "pods" }))).toBe(true);
  });

  it("is by labels of the object beside it", async () => {
    expect(await applies([{ ...deployments, selector: { matchLabels: { tier: "web" } } }], object())).toBe(true);
    expect(await applies([{ ...deployments, selector: { matchLabels: { tier: "db" } } }], object())).toBe(false);
    const expression = { key: "tier", operator: "In", values: ["web", "db"] };
    expect(await applies([{ ...deployments, selector: { matchExpressions: [expression] } }], object())).toBe(true);
    expect(await applies([{ ...deployments, selector: {} }], object())).toBe(true);
  });

  it.each([
    ["another version", { ...deployments, version: "v1beta1" }],
    ["no version", { group: "apps", resource: "deployments" }],
    ["another group", { version: "v1", resource: "deployments" }],
    ["no resource", { group: "apps", version: "v1" }],
  ])("matches nothing by %s, as in policy-controller, and a warning says so", async (_what, match) => {
    expect(await applies([match], object())).toBe(false);
    const set = await foreignSet(imagePolicy({ authorities, match: [match] }));
    expect(set.warnings).toHaveLength(1);
    expect(set.warnings?.[0]?.place).toMatch(/^test\.yaml:1:\d+$/);
  });

  it("is taken as true where there is no object", async () => {
    const set = await foreignSet(imagePolicy({ authorities, match: [deployments] }));
    expect(matchPolicies(set, parseReference("ghcr.io/foo"))).toHaveLength(1);
  });
});
