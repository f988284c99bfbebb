import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { createTufRepository, writeRepository } from "../support/tuf-repository.ts";

const trustedRoot = readFileSync(join(import.meta.dirname, "../fixtures/sigstore/trusted_root.json"), "utf8");
const withoutLogs = JSON.stringify({ ...JSON.parse(trustedRoot), tlogs: [] });
const policy = {
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "ClusterTrustPolicy",
  metadata: { name: "keyless" },
  spec: {
    images: [{ glob: "**" }],
    authorities: [
      { name: "ci", keyless: { trustRoot: "acme", identities: [{ issuer: "https://issuer", subject: "ci" }] } },
    ],
  },
};

test("a webhook renews the trust roots of its policies while it runs, and judges by the new ones", async () => {
  const folder = tempDir("renewal");
  const stopping = new AbortController();
  let output = "";
  const trust = (...argv: string[]) =>
    runTrust(argv, {
      folder: folder.path,
      env: { HOME: folder.path },
      signal: stopping.signal,
      onOutput: (text) => {
        output += text;
      },
    });
  try {
    const repository = createTufRepository();
    const publish = (content: string) => {
      repository.publish({ "trusted_root.json": content });
      writeRepository(repository.files, join(folder.path, "mirror"));
    };
    publish(trustedRoot);
    writeFileSync(join(folder.path, "root.json"), repository.root);
    writeFileSync(join(folder.path, "policy.json"), JSON.stringify(policy));
    const mirror = pathToFileURL(join(folder.path, "mirror")).href;
    expect(await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", mirror)).toMatchObject({
      code: 0,
    });

    const served = trust(
      ...["webhook", "serve", "--policy", "policy.json", "--cert-dir", "certs"],
      ...["--listen", "127.0.0.1:0", "--renew-roots", "1s"],
    );
    await until(() => output.includes("listening on"));
    publish(withoutLogs);
    const stored = join(folder.path, ".config/imagetrust/trust-roots/acme.json");
    await until(() => JSON.parse(JSON.parse(readFileSync(stored, "utf8")).trustedRoot).tlogs.length === 0);
    await sleep(2500);
    stopping.abort("SIGTERM");
    const { code, stderr } = await served;
    expect(code).toBe(0);
    expect(stderr).toContain("trust root renewed");
    expect(stderr).toContain("policies changed");
  } finally {
    stopping.abort("SIGTERM");
    folder.cleanup();
  }
}, 30_000);

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 400) throw new Error("it did not come");
    await sleep(25);
  }
}
