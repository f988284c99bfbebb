import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("webhook-serve");
afterAll(() => folder.cleanup());
const serve = (...flags: readonly string[]) => ["webhook", "serve", "--cert-dir", "certs", ...flags];

function kubeconfig(server: string): string {
  const path = join(folder.path, "kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    clusters: [{ name: "test", cluster: { server } }],
    users: [{ name: "test", user: {} }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

describe("trust webhook serve", () => {
  it.each([
    ["no policies at all", []],
    ["a kubeconfig for no cluster", ["--policy", "p.yaml", "--kubeconfig", "k"]],
    ["a context for no cluster", ["--policy", "p.yaml", "--context", "k"]],
  ])("refuses %s", async (_, flags) => {
    const { code, stderr } = await runTrust(serve(...flags), { folder: folder.path });
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("--cluster") });
  });

  it("refuses a cluster that nobody names", async () => {
    const { code, stderr } = await runTrust(serve("--cluster"), { folder: folder.path });
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining("CLUSTER_CONFIG_INVALID") });
  });

  it.each([["--cluster"], ["--policy", "cluster"]])(
    "does not listen before the cluster was heard, and ends well when it is told to stop meanwhile: %s %s",
    async (...flags) => {
      const stopping = new AbortController();
      // An API server that starts.
      const server = createServer((_request, response) => {
        response.writeHead(503).end();
        asked.resolve();
      });
      const asked = Promise.withResolvers<void>();
      const listening = Promise.withResolvers<void>();
      server.listen(0, "127.0.0.1", listening.resolve);
      await listening.promise;
      const { port } = server.address() as AddressInfo;
      const running = runTrust(
        serve(
          ...flags.filter((flag) => flag !== undefined),
          "--listen",
          "127.0.0.1:0",
          "--kubeconfig",
          kubeconfig(`http://127.0.0.1:${port}`),
        ),
        { folder: folder.path, signal: stopping.signal },
      );
      await asked.promise;
      await new Promise((done) => setTimeout(done, 200));
      stopping.abort();
      const { code, stdout, stderr } = await running;
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      expect(stderr).toContain("CLUSTER_UNREACHABLE");
      server.closeAllConnections();
      server.close();
    },
  );
});
