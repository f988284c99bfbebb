import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { watchPolicies } from "../../src/policy/load.ts";
import { rootOf } from "../../src/policy/root-facts.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { expiryOf } from "../../src/trust/staleness.ts";
import { tempDir } from "../support/process.ts";

const trustedRoot = readFileSync(join(import.meta.dirname, "../fixtures/sigstore/trusted_root.json"));

it("a root that was renewed without anything new in it expires later from then on", async () => {
  const folder = tempDir("load-roots");
  const [policies, kept] = [join(folder.path, "policy.json"), join(folder.path, "acme.txt")];
  const keyless = { trustRoot: "acme", identities: [{ issuer: "https://issuer", subject: "ci" }] };
  const document = {
    ...{ apiVersion: "imagetrust.dev/v1alpha1", kind: "ClusterTrustPolicy", metadata: { name: "keyless" } },
    spec: { images: [{ glob: "**" }], authorities: [{ name: "ci", keyless }] },
  };
  writeFileSync(policies, JSON.stringify(document));
  writeFileSync(kept, "1000");
  const openRoot = async (name: string) => {
    const expires = Number(readFileSync(kept, "utf8"));
    return parseTrustRoot(trustedRoot, { name, source: { kind: "tuf", mirror: "https://m", fetched: 0, expires } });
  };
  const changes: string[] = [];
  const watch = await watchPolicies({
    ...{ paths: [policies], cwd: folder.path, interval: 20, openRoot, rootFile: () => kept },
    onChange: ({ revision }) => changes.push(revision),
    onError: ({ code }) => changes.push(code),
  });
  const expiry = () => {
    const root = rootOf(watch.current().policies[0]?.authorities[0]);
    return root && expiryOf(root);
  };
  try {
    expect(expiry()).toBe(1000);
    writeFileSync(kept, "20000");
    for (const start = Date.now(); expiry() !== 20_000 && Date.now() - start < 5000; ) await sleep(10);
    expect(expiry()).toBe(20_000);
    expect(changes).toEqual([]);
  } finally {
    watch.close();
    folder.cleanup();
  }
});
