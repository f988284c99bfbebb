import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { createMetrics } from "../../webhook/metrics.ts";
import { followPolicies } from "../../webhook/policies.ts";
import { imagePolicy } from "../support/foreign.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("webhook-policies");
afterAll(() => folder.cleanup());

it("policies of policy-controller take effect, and what is not judged is logged with its place", async () => {
  const authorities = [{ static: { action: "pass" } }, { key: { kms: "hashivault://k" } }];
  writeFileSync(join(folder.path, "p.json"), JSON.stringify(imagePolicy({ authorities })));
  const warned: object[] = [];
  const ignore = () => undefined;
  const watch = await followPolicies({
    paths: ["."],
    cwd: folder.path,
    metrics: createMetrics(),
    log: { info: ignore, error: ignore, warn: (fields) => void warned.push(fields) },
    now: () => 0,
  });
  watch.close();
  expect(watch.current().policies).toMatchObject([{ name: "p" }]);
  expect(warned).toMatchObject([{ place: expect.stringMatching(/p\.json:1:\d+$/) }]);
});
