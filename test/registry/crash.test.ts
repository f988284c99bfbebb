import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startChild } from "./support/child.ts";
import { type Client, clientOf, manifestText, pushBlob, putManifest, sha } from "./support/client.ts";
import { inspect, readNames } from "./support/inspect.ts";
import { stage, testFolder } from "./support/server.ts";

const rounds = 20;

/** What a pusher was told is there. */
interface Promised {
  readonly path: string;
  readonly digest: string;
}

/** Pushes images with signatures on them, and deletes some, until the connection breaks. */
async function pushUntilTheEnd(client: Client, repository: string, promised: Promised[]): Promise<void> {
  try {
    for (let i = 0; ; i++) {
      await pushBlob(client, repository, "{}");
      const bytes = randomBytes(i % 3 === 0 ? 400_000 : 2_000);
      const layer = await pushBlob(client, repository, bytes);
      promised.push({ path: `/v2/${repository}/blobs/${layer}`, digest: layer });
      const image = manifestText({ layers: [layer] });
      if ((await putManifest(client, repository, "latest", image)).status !== 201) throw new Error("refused");
      promised.push({ path: `/v2/${repository}/manifests/${sha(image)}`, digest: sha(image) });
      const signature = manifestText({ subject: sha(image), annotations: { n: String(i) } });
      if ((await putManifest(client, repository, sha(signature), signature)).status !== 201) throw new Error("refused");
      promised.push({ path: `/v2/${repository}/manifests/${sha(signature)}`, digest: sha(signature) });
      const doomed = manifestText({ annotations: { doomed: String(i) } });
      await putManifest(client, repository, `tag-${i}`, doomed);
      await client("DELETE", `/v2/${repository}/manifests/${sha(doomed)}`);
    }
  } catch (error) {
    if (error instanceof Error && error.message === "refused") throw error;
  }
}

describe("a registry that is killed while it takes pushes", () => {
  it(`shows nothing corrupt or half, keeps what it promised, and cleans up, ${rounds} times over`, async () => {
    const folder = testFolder();
    const storage = join(folder, "storage");
    const promised: Promised[] = [];
    for (let round = 0; round < rounds; round++) {
      const server = await startChild(storage);
      const client = clientOf(server.url);
      const pushers = ["a", "a", "team/b", "team/b/c"].map((name) => pushUntilTheEnd(client, name, promised));
      const before = promised.length;
      await sleep(20 + Math.random() * 130);
      // A busy machine has not got anywhere by then; a kill before the first push proves nothing.
      for (let waited = 0; promised.length < before + 8 && waited < 10_000; waited += 20) await sleep(20);
      await server.kill();
      await Promise.all(pushers);
      expect(inspect(storage).problems).toEqual([]);
    }
    const found = inspect(storage);
    expect(found.manifests).toBeGreaterThan(rounds);
    expect(found.referrers).toBeGreaterThan(rounds / 2);
    const { client } = await stage({ folder });
    expect(readNames(join(storage, "tmp"))).toEqual([]);
    expect(promised.length).toBeGreaterThan(rounds);
    for (const { path, digest } of promised) {
      const answer = await client("GET", path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(sha(answer.body)).toBe(digest);
    }
    const subjects = promised.filter(({ path }) => path.includes("/manifests/"));
    const listed = await client("GET", (subjects.at(-2)?.path ?? "").replace("manifests", "referrers"));
    expect(listed.status).toBe(200);
  }, 120_000);
});
