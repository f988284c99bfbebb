import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stage, testFolder, usersFile } from "../registry/support/server.ts";
import { describeIfThere, requirePeer } from "../support/peers.ts";
import { run } from "../support/process.ts";

/** The numbers of the only suite in a JUnit report. */
function counts(report: string): Readonly<Record<string, number>> {
  const suite = /<testsuite\s([^>]*)>/.exec(report)?.[1];
  if (suite === undefined) throw new Error("no suite in the report");
  return Object.fromEntries([...suite.matchAll(/\b([a-z]+)="(\d+)"/g)].map(([, name, count]) => [name, Number(count)]));
}

describe("the report of the suite", () => {
  it("is read with what failed", () => {
    const report = '<testsuites tests="4"><testsuite name="a" tests="4" failures="1" errors="0" time="0.5"><testcase/>';
    expect(counts(report)).toMatchObject({ tests: 4, failures: 1, errors: 0 });
    expect(() => counts("<html></html>")).toThrow();
  });
});

describeIfThere(["oci-conformance"], "the OCI conformance suite, distribution-spec 1.1", () => {
  it.each(["without users", "with users"])("finds no failure %s", async (how) => {
    const folder = testFolder();
    const users = how === "with users" ? usersFile(folder, "dev") : undefined;
    const { host } = await stage({ folder, users });
    const results = join(folder, "results");
    const env = {
      OCI_REGISTRY: host,
      OCI_TLS: "disabled",
      OCI_REPO1: "conformance/repo1",
      OCI_REPO2: "conformance/repo2",
      OCI_VERSION: "1.1",
      OCI_RESULTS_DIR: results,
      // Everything there is, also where it is off unless asked for.
      OCI_API_PULL: "true",
      OCI_API_PUSH: "true",
      OCI_API_REFERRER: "true",
      OCI_API_TAGS_LIST: "true",
      OCI_API_TAGS_DELETE: "true",
      OCI_API_MANIFESTS_DELETE: "true",
      OCI_API_MANIFESTS_DIGEST_HEADER: "true",
      OCI_API_MANIFESTS_TAG_PARAM: "true",
      OCI_API_BLOBS_DELETE: "true",
      OCI_API_BLOBS_DIGEST_HEADER: "true",
      OCI_API_BLOBS_UPLOAD_CANCEL: "true",
      ...(users && { OCI_USERNAME: "dev", OCI_PASSWORD: "secret of dev" }),
    };
    const ended = await run(requirePeer("oci-conformance"), [], { env, cwd: folder, timeoutMs: 120_000 });
    const found = counts(readFileSync(join(results, "junit.xml"), "utf8"));
    expect(found, ended.stdout.slice(0, 4000)).toMatchObject({ failures: 0, errors: 0 });
    expect(found["tests"]).toBeGreaterThan(500);
    expect(ended.code, ended.stdout.slice(0, 4000)).toBe(0);
  });
});
