import { expect, it } from "vitest";
import type { Resource } from "../../src/cluster/cluster.ts";
import { TrustError } from "../../src/errors.ts";
import { readPolicyObjects } from "../../src/policy-objects/read.ts";
import { codeOfRejection } from "../support/errors.ts";
import { imagePolicy } from "../support/foreign.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";
import { keyPolicy, pemOfKey, rootPolicy, secretObject } from "../support/policy-objects.ts";
import { newPrivateKey } from "../support/signers.ts";

const pem = pemOfKey(newPrivateKey());
const foreign = (version: string) => ({
  ...imagePolicy({ authorities: [{ static: { action: "pass" } }] }),
  apiVersion: `policy.sigstore.dev/${version}`,
  kind: "ClusterImagePolicy",
  metadata: { name: "foreign" },
});
it("policies of every kind are read together, and each says what became of it", async () => {
  const cluster = createMemoryCluster();
  cluster.put(keyPolicy("good", { data: pem }));
  cluster.put(keyPolicy("broken", { data: "no key" }));
  cluster.put(keyPolicy("tenant", { data: pem }, "prod"));
  cluster.put(foreign("v1beta1"));
  const { set, states } = await readPolicyObjects(cluster, {});
  expect(set.policies.map(({ name, unusable }) => [name, unusable !== undefined])).toEqual([
    ["broken", true],
    ["foreign", false],
    ["good", false],
    ["tenant", false],
  ]);
  expect(states.filter(({ usable }) => !usable).map(({ object }) => object.name)).toEqual(["broken"]);
});

it("policies of policy-controller are read at the version in which they are stored, or else at the one there is", async () => {
  const cluster = createMemoryCluster();
  cluster.put(foreign("v1beta1"));
  expect((await readPolicyObjects(cluster, {})).states).toMatchObject([
    { object: { apiVersion: "policy.sigstore.dev/v1alpha1" } },
  ]);
  cluster.unknown.add("clusterimagepolicies.v1alpha1.policy.sigstore.dev");
  expect((await readPolicyObjects(cluster, {})).states).toMatchObject([
    { object: { apiVersion: "policy.sigstore.dev/v1beta1" } },
  ]);
});

it("a version that cannot be listed, as its conversion does not run, is not needed where another one can", async () => {
  const cluster = createMemoryCluster();
  cluster.put(foreign("v1beta1"));
  const { list } = cluster;
  Object.assign(cluster, {
    async list(resource: Resource) {
      if (resource.group === "policy.sigstore.dev" && resource.version === "v1alpha1" && resource.kind !== "TrustRoot")
        throw new TrustError("CLUSTER_UNREACHABLE", "conversion webhook failed");
      return list(resource);
    },
  });
  expect((await readPolicyObjects(cluster, {})).set.policies).toMatchObject([{ name: "foreign" }]);
});

it("keys come from Secrets: of the program's namespace for cluster policies, of their own for others", async () => {
  const cluster = createMemoryCluster("trust-system");
  const secretRef = { name: "keys", key: "cosign.pub" };
  cluster.put(keyPolicy("cluster", { secretRef }));
  cluster.put(keyPolicy("tenant", { secretRef }, "prod"));
  cluster.put(keyPolicy("none", { secretRef: { ...secretRef, name: "missing" } }));
  cluster.put(secretObject("keys", "trust-system", { "cosign.pub": pem, other: "x" }));
  cluster.put(secretObject("keys", "prod", { "cosign.pub": "not a key" }));
  const { states } = await readPolicyObjects(cluster, {});
  expect(states.map(({ object, usable }) => [object.name, usable])).toEqual([
    ["cluster", true],
    ["none", false],
    ["tenant", false],
  ]);
  expect(cluster.requests.filter((request) => request === "get secrets/keys")).toHaveLength(2);
});

it("names of roots are never paths", async () => {
  const cluster = createMemoryCluster();
  for (const [name, trustRoot] of Object.entries({ file: "/etc/root.json", plain: "acme" }))
    cluster.put(rootPolicy(name, trustRoot));
  const asked: string[] = [];
  const { states } = await readPolicyObjects(cluster, {
    async openRoot(name) {
      asked.push(name);
      throw new Error("none");
    },
  });
  expect(asked).toEqual(["acme"]);
  expect(states.every(({ usable }) => !usable)).toBe(true);
});

it("what may not be listed ends it: a policy could be missing", async () => {
  const cluster = createMemoryCluster();
  cluster.denied.add("trustpolicies.v1alpha1.imagetrust.dev");
  expect(await codeOfRejection(readPolicyObjects(cluster, {}))).toBe("CLUSTER_ACCESS_DENIED");
});
