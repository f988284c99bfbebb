import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { peer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { startSigstore } from "../support/sigstore/index.ts";
import { type Command, compare, ms, type Row } from "./compare.ts";

/** `trust verify` of one keyless image as a whole process, beside cosign 3, in each log. */
export async function measureKeylessVerify(dist: string, rounds: number): Promise<readonly Row[]> {
  const cosign = peer("cosign3");
  if (cosign === undefined || peer("docker-registry") === undefined) {
    console.log("cosign3 or docker-registry is missing (bash test/peers/install.sh): no row about keyless images\n");
    return [];
  }
  const folder = tempDir("trust-bench-keyless");
  const registry = await startDockerRegistry();
  const sigstore = await startSigstore();
  const env = { ...process.env, HOME: folder.path, DOCKER_CONFIG: folder.path };
  const file = (name: string, content: string) => {
    writeFileSync(join(folder.path, name), content);
    return join(folder.path, name);
  };
  try {
    const root = file("root.json", JSON.stringify(sigstore.trustedRoot));
    const rows: Row[] = [];
    for (const log of [1, 2] as const) {
      const image = `${registry.host}/bench/keyless${log}:1`;
      await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
      const config = file(
        "config.json",
        JSON.stringify(sigstore.signingConfig({ logs: [log], timestamps: log === 2 })),
      );
      const token = file("token", sigstore.identityToken());
      const sign = ["sign", "--yes", "--signing-config", config, "--trusted-root", root, "--identity-token", token];
      const { code, stderr } = await run(cosign, [...sign, image], { env });
      if (code !== 0) throw new Error(stderr);
      const who = ["--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", sigstore.urls.issuer];
      const args = ["verify", "--trusted-root", root, ...who, image];
      const ours: Command = { name: "trust verify", file: process.execPath, args: [dist, ...args], env };
      const [a, b] = await compare([ours, { name: "cosign verify", file: cosign, args, env }], rounds);
      if (a === undefined || b === undefined) continue;
      rows.push({
        what: `verify one keyless image (Rekor v${log}), one process | cosign 3`,
        ours: ms(a),
        theirs: ms(b),
        ratio: (a.median / b.median).toFixed(2),
        aim: "≤ 1.3",
      });
    }
    return rows;
  } finally {
    await sigstore.stop();
    await registry.stop();
    folder.cleanup();
  }
}
