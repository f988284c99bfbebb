import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { unfetchedRoot } from "../../src/trust/tuf-source.ts";
import { createMetrics } from "../../webhook/metrics.ts";
import { followPolicies, type PoliciesInForce, type PolicyOptions } from "../../webhook/policies.ts";
import { codeOfRejection } from "../support/errors.ts";
import { imagePolicy } from "../support/foreign.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";
import { keyPolicy, pemOfKey, rootPolicy, until } from "../support/policy-objects.ts";
import { tempDir } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";

const folder = tempDir("webhook-policies");
afterAll(() => folder.cleanup());
const file = join(folder.path, "p.json");
const pem = pemOfKey(newPrivateKey());
let open: PoliciesInForce | undefined;
let warned: object[] = [];
beforeEach(() => {
  warned = [];
});
afterEach(() => open?.close());

const ignore = () => undefined;
const metrics = createMetrics();

async function follow(options: Partial<PolicyOptions>): Promise<PoliciesInForce> {
  const log = { info: ignore, error: ignore, warn: (fields: object) => void warned.push(fields) };
  open = await followPolicies({ paths: ["p.json"], cwd: folder.path, metrics, log, now: () => 0, ...options });
  return open;
}

const names = (policies: PoliciesInForce) => policies.current().policies.map(({ name }) => name);

it("policies of policy-controller take effect, and what is not judged is logged with its place", async () => {
  const authorities = [{ static: { action: "pass" } }, { key: { kms: "hashivault://k" } }];
  writeFileSync(file, JSON.stringify(imagePolicy({ authorities })));
  const policies = await follow({});
  expect(names(policies)).toEqual(["p"]);
  expect(warned).toMatchObject([{ place: expect.stringMatching(/p\.json:1:\d+$/) }]);
});

it("policies of files and of the cluster are in force together, also where they are called the same", async () => {
  writeFileSync(file, JSON.stringify(keyPolicy("same", { data: pem })));
  const cluster = createMemoryCluster();
  cluster.put(keyPolicy("same", { data: pem }));
  cluster.put(keyPolicy("other", { data: pem }));
  const policies = await follow({ cluster });
  expect(names(policies)).toEqual(["other", "same", "same"]);
  expect(await metrics.render()).toContain("trust_policies 3");
  expect(policies.current()).toBe(policies.current());
  const { revision } = policies.current();
  cluster.remove(keyPolicy("same", {}));
  await until(() => names(policies).join() === "other,same");
  expect(policies.current().revision).not.toBe(revision);
  await until(async () => (await metrics.render()).includes("trust_policies 2"));
});

it("policies of the cluster need no files", async () => {
  const cluster = createMemoryCluster();
  cluster.put(keyPolicy("first", { data: pem }));
  expect(names(await follow({ paths: [], cluster }))).toEqual(["first"]);
});

it("a file that does not load ends the start before the cluster is asked", async () => {
  writeFileSync(file, "kind: Nonsense");
  const cluster = createMemoryCluster();
  expect(await codeOfRejection(follow({ cluster }))).toBe("POLICY_INVALID");
  expect(cluster.requests).toEqual([]);
});

it("trust roots are in use while a policy of a file or of the cluster names them, and no longer", async () => {
  writeFileSync(file, JSON.stringify(rootPolicy("first", "of-file")));
  const cluster = createMemoryCluster();
  cluster.put(rootPolicy("second", "of-cluster"));
  const policies = await follow({
    cluster,
    openRoot: async (name) => unfetchedRoot({ name, mirror: "https://m.example", target: "t", root: "", id: name }),
  });
  expect([...policies.roots().keys()].toSorted()).toEqual(["of-cluster", "of-file"]);
  cluster.remove(rootPolicy("second", ""));
  await until(() => !policies.roots().has("of-cluster"));
  writeFileSync(file, JSON.stringify(keyPolicy("first", { data: pem })));
  await until(() => policies.roots().size === 0);
});
