import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { createTufRepository, serveRepository } from "../support/tuf-repository.ts";

const target = "trusted_root.json";
const trustedRoot = readFileSync(join(import.meta.dirname, "../fixtures/sigstore", target), "utf8");

describePeers(["cosign2", "cosign3"], "one TUF repository, several clients", () => {
  const folder = tempDir("trust-tuf-interop");
  afterAll(() => folder.cleanup());

  it.each(["cosign2", "cosign3"])("%s and trust fetch the same trust root, after a rotation", async (name) => {
    const repository = createTufRepository();
    repository.publish({ [target]: trustedRoot });
    repository.rotate();
    await using served = await serveRepository(repository.files);
    const rootFile = join(folder.path, `${name}-root.json`);
    writeFileSync(rootFile, repository.root);
    const home = join(folder.path, name);
    const env = { HOME: home, TUF_ROOT: join(home, "tuf"), PATH: process.env["PATH"] };
    const theirs = await run(requirePeer(name), ["initialize", "--mirror", served.url, "--root", rootFile], {
      cwd: folder.path,
      env,
    });
    expect(theirs).toMatchObject({ code: 0 });
    const cached = readdirSync(join(home, "tuf"), { recursive: true, encoding: "utf8" }).filter((path) =>
      path.endsWith(target),
    );
    const trust = (...argv: string[]) => runTrust(argv, { folder: folder.path, env: { HOME: home } });
    const ours = await trust("root", "add", name, "--tuf-root", rootFile, "--mirror", served.url, "-o", "json");
    expect(ours).toMatchObject({ code: 0, stderr: "" });
    expect(cached.length).toBeGreaterThan(0);
    const shown = await trust("root", "show", join(home, "tuf", cached[0] ?? ""), "-o", "json");
    expect(JSON.parse(shown.stdout)[0].revision).toBe(JSON.parse(ours.stdout)[0].revision);
  });
});
