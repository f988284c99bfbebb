import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadPolicies } from "../../src/policy/load.ts";
import { runTrust } from "../support/cli.ts";
import { imagePolicy, pem } from "../support/foreign.ts";
import { tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";

const folder = tempDir("import");
afterAll(() => folder.cleanup());
const run = (...argv: string[]) => runTrust(["policy", "import", ...argv], { folder: folder.path });
const authorities = [{ key: { data: pem(newSigner()) } }];

beforeAll(() => {
  const write = (name: string, value: unknown) => writeFileSync(join(folder.path, name), JSON.stringify(value));
  write("whole.json", imagePolicy({ authorities }, "whole"));
  write("loss.json", imagePolicy({ authorities: [...authorities, { key: { kms: "hashivault://k" } }] }, "loss"));
  write("bad.json", imagePolicy({ authorities: [] }));
  write("policy.json", { default: [{ type: "sigstoreSigned", keyPath: "release.pub" }] });
  writeFileSync(join(folder.path, "release.pub"), pem(newSigner()));
});

describe("trust policy import", () => {
  it("writes policies that load, and exits with 0 where nothing is lost", async () => {
    const { code, stdout, stderr } = await run("whole.json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    writeFileSync(join(folder.path, "out.yaml"), stdout);
    expect((await loadPolicies(["out.yaml"], folder.path)).policies).toMatchObject([{ name: "whole" }]);
  });

  it("says what is lost, with its place, and exits with 1", async () => {
    const { code, stdout, stderr } = await run("loss.json");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^loss\.json:1:\d+: .*; instead: /);
    expect(stdout).toContain("# loss.json:1:");
  });

  it("lists conversions and losses as JSON", async () => {
    const { stdout } = await run("--output", "json", "--quiet", "whole.json", "loss.json");
    expect(JSON.parse(stdout)).toMatchObject([
      {
        conversions: [
          { kind: "ClusterTrustPolicy", name: "whole", from: "whole.json:1:1" },
          { kind: "ClusterTrustPolicy", name: "loss", from: "loss.json:1:1" },
        ],
        losses: [{ place: expect.stringMatching(/^loss\.json:1:/), instead: expect.any(String) }],
      },
    ]);
  });

  it("writes nothing of a source that is not valid, and says where it is wrong", async () => {
    const { code, stdout, stderr } = await run("whole.json", "bad.json");
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain("bad.json:1:");
    expect((await run("--from", "kyverno", "whole.json")).code).toBe(3);
    expect((await run("not-there.json")).code).toBe(3);
  });

  it("writes a file for each policy, and never over another", async () => {
    const made = await run("--output-dir", "made", "whole.json", "loss.json");
    expect(made.code).toBe(1);
    expect(readdirSync(join(folder.path, "made")).sort()).toEqual(["loss.yaml", "whole.yaml"]);
    expect((await loadPolicies(["made"], folder.path)).policies).toHaveLength(2);
    const before = readFileSync(join(folder.path, "made/whole.yaml"), "utf8");
    expect((await run("--output-dir", "made", "whole.json")).code).toBe(3);
    expect(readFileSync(join(folder.path, "made/whole.yaml"), "utf8")).toBe(before);
  });

  it("reads the keys that policy.json names", async () => {
    const { code, stdout } = await run("policy.json");
    expect(code).toBe(0);
    expect(stdout).toContain("BEGIN PUBLIC KEY");
  });
});
