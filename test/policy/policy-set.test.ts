import { expect, it } from "vitest";
import { parseReference } from "../../src/oci/reference.ts";
import { matchPolicies } from "../../src/policy/match.ts";
import { parsePolicies } from "../../src/policy/parse.ts";
import type { PolicySet } from "../../src/policy/policy.ts";
import { mergeSets, toPolicySet } from "../../src/policy/policy-set.ts";

async function setOf(...documents: readonly object[]): Promise<PolicySet> {
  return toPolicySet([await parsePolicies(documents.map((each) => JSON.stringify(each)).join("\n---\n"), "test")]);
}

const policy = (name: string, namespace?: string) => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: namespace === undefined ? "ClusterTrustPolicy" : "TrustPolicy",
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  spec: { images: [{ glob: "**" }], authorities: [{ name: "a", static: { action: "fail" } }] },
});

const exception = (name: string) => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "TrustException",
  metadata: { name },
  spec: { images: [{ glob: "**" }], expires: "2030-01-01T00:00:00Z", reason: "r", approvedBy: "a" },
});

it("sets put together ask for every policy of each, cluster policies first, and also where names are the same", async () => {
  const files = await setOf(policy("b"), policy("b", "prod"));
  const merged = mergeSets([files, await setOf(policy("a"), policy("b"))]);
  expect(merged.policies.map(({ name, namespace }) => [name, namespace])).toEqual([
    ["a", undefined],
    ["b", undefined],
    ["b", undefined],
    ["b", "prod"],
  ]);
  const matched = matchPolicies(merged, parseReference("registry.example.com/app:1"));
  expect(matched.map(({ policy: { name } }) => name)).toEqual(["a", "b", "b"]);
});

it("exceptions of one set speak of the policies of the other", async () => {
  const merged = mergeSets([await setOf(policy("a")), await setOf(exception("e"))]);
  const [matched] = matchPolicies(merged, parseReference("registry.example.com/app:1"));
  expect(matched?.exceptions).toMatchObject([{ name: "e" }]);
});

it("the revision changes with any of the sets, and is that of the set where there is one only", async () => {
  const [a, b, c] = [await setOf(policy("a")), await setOf(policy("b")), await setOf(policy("c"))];
  expect(mergeSets([a])).toBe(a);
  expect(mergeSets([a, b]).revision).toBe(mergeSets([a, b]).revision);
  expect(new Set([[a, b], [a, c], [b, c], [a]].map((sets) => mergeSets(sets).revision)).size).toBe(4);
});
