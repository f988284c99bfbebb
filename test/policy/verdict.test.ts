import { expect, it } from "vitest";
import { formatAudit } from "../../src/cli/print-audit.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { TrustPolicy } from "../../src/policy/policy.ts";
import { policyNameOf, verdictOf } from "../../src/policy/verdict.ts";
import { fullText, shortLine } from "../../src/policy/verdict-text.ts";
import { evidenceAnnotation } from "../../webhook/explain.ts";
import { newSigner } from "../support/signers.ts";
import { digest } from "../support/verdicts.ts";

const image = "registry.example.com/app:1";
const keys = [newSigner().publicKey] as const;
const clusterPolicy: TrustPolicy = {
  name: "release",
  mode: "enforce",
  images: [{ glob: "**" }],
  exclude: [],
  match: [],
  authorities: [{ kind: "key", name: "ci", keys }],
  threshold: 1,
  source: "test",
};
const facts = { ref: parseReference(image), now: 0, subject: digest, proofs: [], findings: [] };
const tenantPolicy = { ...clusterPolicy, namespace: "prod" };
const resultOf = (policy: TrustPolicy) => evaluatePolicy(policy, false, facts);

it("a result tells a policy of one namespace from that of the cluster with the same name", () => {
  const [cluster, tenant] = [resultOf(clusterPolicy), resultOf(tenantPolicy)];
  expect([cluster.namespace, tenant.namespace]).toEqual([undefined, "prod"]);
  expect([cluster, tenant].map(policyNameOf)).toEqual(["release", "prod/release"]);
});

it.each([
  ["excluded", tenantPolicy, true],
  ["of a static authority", { ...tenantPolicy, authorities: [], statics: [{ name: "s", action: "fail" }] }, false],
  ["of alternatives", { ...tenantPolicy, anyOf: true }, false],
] as readonly (readonly [string, TrustPolicy, boolean])[])("also where it is %s", (_, policy, excluded) => {
  expect(evaluatePolicy(policy, excluded, facts).namespace).toBe("prod");
});

it("texts, tables and annotations name it with its namespace", () => {
  const verdict = verdictOf({ image, digest, decidedAt: 0, policies: [resultOf(tenantPolicy)] });
  expect(shortLine(verdict)).toContain("policy prod/release: ");
  expect(fullText(verdict)).toContain("  policy prod/release, enforce: not passed\n");
  expect(formatAudit([{ verdict }])).toContain("policy prod/release: ");
  expect(JSON.parse(evidenceAnnotation([verdict]))[0].policies).toEqual(["prod/release"]);
});

it("what passed in the open is told with its namespace", () => {
  const policy: TrustPolicy = { ...tenantPolicy, authorities: [], statics: [{ name: "s", action: "pass" }] };
  const { unsafe } = verdictOf({ image, digest, decidedAt: 0, policies: [resultOf(policy)] });
  expect(unsafe).toEqual([expect.stringContaining("prod/release")]);
});
