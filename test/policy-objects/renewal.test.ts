import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, expect, it } from "vitest";
import type { CommandContext } from "../../src/cli/command.ts";
import { openTrustedRoot } from "../../src/cli/identity-options.ts";
import { renewRoots } from "../../src/cli/root-renewal.ts";
import { followPolicyObjects } from "../../src/policy-objects/follow.ts";
import { policyRootPath, trustRootFolder } from "../../src/trust/open.ts";
import { createClusterCa } from "../support/kubernetes-certificates.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";
import { rootPolicy, until } from "../support/policy-objects.ts";
import { tempDir } from "../support/process.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { createTufRepository } from "../support/tuf-repository.ts";

const folder = tempDir("renewal-objects");
const running = new AbortController();
afterAll(() => {
  running.abort();
  folder.cleanup();
});

it("a TrustRoot of the cluster is fetched and renewed for as long as a policy names it", async () => {
  const repository = createTufRepository();
  const publish = (root: object) => repository.publish({ "trusted_root.json": JSON.stringify(root) });
  const world = trustedRootOf(createWorld());
  publish(world);
  const cluster = createMemoryCluster();
  const ca = createClusterCa();
  // Objects of a cluster name no folders.
  const server = createServer(ca.serving(), (request, response) => {
    const file = repository.files.get(decodeURIComponent((request.url ?? "").slice(1)));
    response.writeHead(file === undefined ? 404 : 200).end(file);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  running.signal.addEventListener("abort", () => server.close());
  const mirror = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tuf = { root: Buffer.from(repository.root).toString("base64"), mirror };
  const root = { apiVersion: "imagetrust.dev/v1alpha1", kind: "TrustRoot", metadata: { name: "acme" }, spec: { tuf } };
  cluster.put(root);
  cluster.put(rootPolicy("keyless", "acme"));

  const io = { env: {}, homeFolder: folder.path, folder: folder.path, now: Date.now };
  const context = { io, resolvePath: (path: string) => path } as unknown as CommandContext;
  const roots = trustRootFolder({}, folder.path);
  const watch = followPolicyObjects({
    cluster,
    openRoot: (name, source) => openTrustedRoot(context, name, source),
    rootFile: (_, source) => (source === undefined ? undefined : policyRootPath(roots, source)),
    onChange: () => undefined,
    onTrouble: () => undefined,
    onSeen: () => undefined,
    signal: running.signal,
    timing: { settle: 1, rootFiles: 10, batch: 1 },
  });
  await watch.ready;
  const opened = () => {
    const [authority] = watch.current()?.set.policies[0]?.authorities ?? [];
    return authority?.kind === "keyless" ? authority.root : undefined;
  };
  expect(opened()?.source.kind).toBe("unfetched");

  const ignore = () => undefined;
  const log = { info: ignore, warn: ignore };
  void renewRoots(context, { every: 20, web: { ca: ca.cert }, log, roots: watch.roots }, running.signal);
  await until(() => opened()?.source.kind === "tuf");
  expect(opened()?.logs.length).toBeGreaterThan(0);
  publish({ ...world, tlogs: [] });
  await until(() => opened()?.logs.length === 0);

  cluster.remove(rootPolicy("keyless", ""));
  await until(() => watch.roots().size === 0);
});
