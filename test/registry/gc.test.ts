import { randomBytes } from "node:crypto";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { collectGarbage } from "../../src/registry/gc.ts";
import { codeOfRejection } from "../support/errors.ts";
import { indexText, manifestText, pushBlob, pushImage, putManifest, sha } from "./support/client.ts";
import { filesBelow, inspect } from "./support/inspect.ts";
import { type Stage, stage, testFolder } from "./support/server.ts";

/** Makes all that is stored look as if it had come two hours ago. */
function age(storage: string): void {
  const then = Date.now() / 1000 - 7200;
  for (const file of filesBelow(storage)) utimesSync(join(storage, file), then, then);
}

async function putImage(
  server: Stage,
  repository: string,
  reference: string | undefined,
  parts: Parameters<typeof manifestText>[0] = {},
) {
  const text = manifestText(parts);
  const answer = await putManifest(server.client, repository, reference ?? sha(text), text);
  expect(answer.status).toBe(201);
  return sha(text);
}

describe("garbage collection", () => {
  it("deletes blobs that no manifest names and content that no repository holds, and says how much", async () => {
    const server = await stage();
    const { client, storage } = server;
    const image = await pushImage(client, "a", "v1");
    const loose = await pushBlob(client, "a", randomBytes(1000));
    const both = await pushBlob(client, "a", "in two repositories");
    await pushBlob(client, "b", "in two repositories");
    await pushBlob(client, "b", "{}");
    await putImage(server, "b", "v1", { layers: [both] });
    const deleted = await pushImage(client, "a", "v2");
    await client("DELETE", `/v2/a/manifests/${deleted}`);
    age(storage);
    const expected = { repositories: 2, manifests: 0, links: 3, blobs: 3, damaged: 0 };
    expect(await collectGarbage(storage, { dryRun: true })).toMatchObject(expected);
    expect((await client("HEAD", `/v2/a/blobs/${loose}`)).status).toBe(200);
    age(storage);
    const report = await collectGarbage(storage);
    expect(report).toMatchObject(expected);
    expect(report.bytes).toBeGreaterThan(1000);
    expect((await client("HEAD", `/v2/a/blobs/${loose}`)).status).toBe(404);
    expect((await client("HEAD", `/v2/a/blobs/${both}`)).status).toBe(404);
    expect((await client("GET", `/v2/b/blobs/${both}`)).status).toBe(200);
    expect((await client("GET", `/v2/a/manifests/${image}`)).status).toBe(200);
    expect(inspect(storage).problems).toEqual([]);
    expect(await collectGarbage(storage, { graceMs: 0 })).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
  });

  it("keeps what is young, and what somebody looked for", async () => {
    const { client, storage } = await stage();
    const old = await pushBlob(client, "a", "looked for");
    age(storage);
    expect((await client("HEAD", `/v2/a/blobs/${old}`)).status).toBe(200);
    const young = await pushBlob(client, "a", "young");
    expect(await collectGarbage(storage)).toMatchObject({ links: 0, blobs: 0 });
    for (const digest of [old, young]) expect((await client("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(200);
  });

  it("keeps manifests without a tag unless asked, signatures with their subject, children with their index", async () => {
    const server = await stage();
    const { client, storage } = server;
    const child = await pushImage(client, "a");
    await putManifest(client, "a", "index", indexText([child]));
    const signature = await putImage(server, "a", undefined, { subject: child, annotations: { n: "signature" } });
    const countersignature = await putImage(server, "a", undefined, { subject: signature });
    const untagged = await pushImage(client, "a");
    const orphan = await putImage(server, "a", undefined, { subject: untagged, annotations: { n: "orphan" } });
    const early = await putImage(server, "a", undefined, { subject: sha("not yet"), annotations: { n: "early" } });
    age(storage);
    expect(await collectGarbage(storage)).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
    expect(await collectGarbage(storage, { untagged: true, dryRun: true })).toMatchObject({
      manifests: 3,
      links: 1,
      blobs: 4,
    });
    expect(await collectGarbage(storage, { untagged: true })).toMatchObject({ manifests: 3, links: 1, blobs: 4 });
    const status = async (digest: string) => (await client("GET", `/v2/a/manifests/${digest}`)).status;
    for (const kept of [child, signature, countersignature]) expect(await status(kept)).toBe(200);
    for (const gone of [untagged, orphan, early]) expect(await status(gone)).toBe(404);
    const listed = await client("GET", `/v2/a/referrers/${child}`);
    expect((listed.json() as { manifests: unknown[] }).manifests).toHaveLength(1);
    expect(inspect(storage).problems).toEqual([]);
  });

  it("keeps a tagged index of indexes whole", async () => {
    const { client, storage } = await stage();
    const child = await pushImage(client, "a");
    const inner = indexText([child]);
    await putManifest(client, "a", sha(inner), inner);
    const outer = indexText([sha(inner)]);
    await putManifest(client, "a", sha(outer), outer);
    age(storage);
    // Only the outermost is pushed again: all below it must be kept along.
    await putManifest(client, "a", "outer", outer);
    expect(await collectGarbage(storage, { untagged: true })).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
    expect((await client("GET", `/v2/a/manifests/${child}`)).status).toBe(200);
  });

  it("removes what is left of repositories that hold nothing, also from the catalog", async () => {
    const { client, storage } = await stage();
    const digest = await pushImage(client, "team/app", "v1");
    await pushImage(client, "team", "v1");
    await client("DELETE", `/v2/team/app/manifests/${digest}`);
    age(storage);
    await collectGarbage(storage);
    expect(filesBelow(join(storage, "repositories")).filter((file) => file.startsWith("team/app"))).toEqual([]);
    expect((await client("GET", "/v2/_catalog")).json()).toEqual({ repositories: ["team"] });
    await pushImage(client, "team/app", "v2");
    expect((await client("GET", "/v2/_catalog")).json()).toEqual({ repositories: ["team", "team/app"] });
  });

  it("touches no blob of a repository with a manifest that cannot be read", async () => {
    const { client, storage } = await stage();
    const digest = await pushImage(client, "a", "v1");
    const loose = await pushBlob(client, "a", "loose");
    const hex = digest.slice(7);
    writeFileSync(join(storage, "blobs/sha256", hex.slice(0, 2), hex, "data"), "damaged");
    age(storage);
    expect(await collectGarbage(storage)).toMatchObject({ damaged: 1, links: 0, blobs: 0 });
    age(storage);
    expect((await client("GET", `/v2/a/blobs/${loose}`)).status).toBe(200);
  });

  it("is safe while the registry takes pushes", async () => {
    const { client, storage } = await stage();
    let running = true;
    const refused: number[] = [];
    async function push(repository: string): Promise<void> {
      for (let i = 0; running; i++) {
        await pushBlob(client, repository, "{}");
        const layer = await pushBlob(client, repository, `layer ${i % 5}`);
        const answer = await putManifest(
          client,
          repository,
          `t${i % 3}`,
          manifestText({ layers: [layer], annotations: { i: String(i) } }),
        );
        if (answer.status !== 201) refused.push(answer.status);
      }
    }
    const pushers = ["a", "a", "b"].map(push);
    for (let round = 0; round < 12; round++) {
      age(storage);
      await collectGarbage(storage, { untagged: round % 2 === 0 });
      expect(inspect(storage).problems).toEqual([]);
    }
    running = false;
    await Promise.all(pushers);
    expect(inspect(storage).problems).toEqual([]);
    // A push may come too late for a blob that was made to look old; it is told so, and nothing is half.
    expect(refused.every((status) => status === 400)).toBe(true);
  }, 60_000);

  it("runs once at a time, and only on a registry's folder", async () => {
    const { storage } = await stage();
    const codes = await Promise.all([1, 2, 3].map(() => codeOfRejection(collectGarbage(storage))));
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(new Set(codes)).toEqual(new Set([undefined, "CONFIG_INVALID"]));
    expect(await codeOfRejection(collectGarbage(testFolder()))).toBe("CONFIG_INVALID");
  });
});
