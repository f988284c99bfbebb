import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  imageType,
  indexText,
  indexType,
  manifestText,
  pushBlob,
  pushImage,
  putManifest,
  sha,
} from "../support/client.ts";
import { stage, testFolder } from "../support/server.ts";

describe("manifests", () => {
  it("are served exactly as they were pushed, by tag and by digest", async () => {
    const { client } = await stage();
    await pushBlob(client, "a/b", "{}");
    const text = `${manifestText()}\n  `;
    const put = await putManifest(client, "a/b", "v1", text);
    expect(put.status).toBe(201);
    expect(put.headers["docker-content-digest"]).toBe(sha(text));
    expect(put.headers.location).toBe(`/v2/a/b/manifests/${sha(text)}`);
    for (const reference of ["v1", sha(text)]) {
      const got = await client("GET", `/v2/a/b/manifests/${reference}`);
      expect(got.status).toBe(200);
      expect(got.body.toString()).toBe(text);
      expect(got.headers["content-type"]).toBe(imageType);
      expect(got.headers["docker-content-digest"]).toBe(sha(text));
      expect(got.headers.etag).toBe(`"${sha(text)}"`);
      const head = await client("HEAD", `/v2/a/b/manifests/${reference}`);
      expect(head.status).toBe(200);
      expect(head.body).toHaveLength(0);
      expect(head.headers["content-length"]).toBe(String(Buffer.byteLength(text)));
      expect(head.headers["content-type"]).toBe(imageType);
      expect(head.headers["docker-content-digest"]).toBe(sha(text));
    }
  });

  it("answers 304 to who has them", async () => {
    const { client } = await stage();
    const digest = await pushImage(client, "a", "v1");
    for (const method of ["GET", "HEAD"]) {
      const same = await client(method, "/v2/a/manifests/v1", { headers: { "if-none-match": `"${digest}"` } });
      expect([same.status, same.body.length]).toEqual([304, 0]);
      const other = await client(method, "/v2/a/manifests/v1", { headers: { "if-none-match": '"x"' } });
      expect(other.status).toBe(200);
    }
  });

  it("takes sha512 digests, with tags as parameters", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const text = manifestText({ annotations: { n: "512" } });
    const digest = sha(text, "sha512");
    const put = await putManifest(client, "a", `${digest}?tag=one&tag=two`, text);
    expect([put.status, put.headers["oci-tag"]]).toEqual([201, "one, two"]);
    for (const reference of ["one", "two", digest]) {
      const got = await client("GET", `/v2/a/manifests/${reference}`);
      expect(got.headers["docker-content-digest"]).toBe(digest);
      expect(got.body.toString()).toBe(text);
    }
    expect((await putManifest(client, "a", `${digest}?tag=..%2Fx`, text)).code).toBe("NAME_INVALID");
  });

  it.each([
    ["a digest that is another's", (text: string) => [sha("else"), text], 400, "DIGEST_INVALID"],
    ["a digest that is none", (text: string) => ["sha256:baddigeststring", text], 400, "DIGEST_INVALID"],
    ["what is not JSON", () => ["v1", "{"], 400, "MANIFEST_INVALID"],
    ["nothing", () => ["v1", ""], 400, "MANIFEST_INVALID"],
    ["a list", () => ["v1", "[]"], 400, "MANIFEST_INVALID"],
    ["schema version 1", () => ["v1", '{"schemaVersion":1}'], 400, "MANIFEST_INVALID"],
    [
      "another media type inside",
      (text: string) => ["v1", text.replace(imageType, indexType)],
      400,
      "MANIFEST_INVALID",
    ],
    ["more than 4 MiB", (text: string) => ["v1", text + " ".repeat(4 * 1024 * 1024)], 413, "SIZE_INVALID"],
  ])("refuses %s", async (_name, make, status, code) => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const [reference = "", body = ""] = make(manifestText());
    const headers = { "content-type": imageType };
    const answer = await client("PUT", `/v2/a/manifests/${reference}`, { body, headers });
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect((await client("GET", "/v2/a/tags/list")).status).toBe(404);
  });

  it("takes 4 MiB, and no more when the length is not said before", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const text = manifestText();
    const full = text + " ".repeat(4 * 1024 * 1024 - text.length);
    expect((await putManifest(client, "a", "full", full)).status).toBe(201);
    async function* stream(size: number) {
      for (let sent = 0; sent < size; sent += 65_536) yield Buffer.alloc(65_536, " ");
    }
    const headers = { "content-type": imageType };
    const answer = await client("PUT", "/v2/a/manifests/big", { body: stream(5 * 1024 * 1024), headers });
    expect(answer.status).toBe(413);
  });

  it("keeps Docker's media types, ignores parameters, and finds the type in the document where none is said", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const docker = "application/vnd.docker.distribution.manifest.v2+json";
    const text = manifestText().replace(imageType, docker);
    const headers = { "content-type": `${docker}; charset=utf-8` };
    expect((await client("PUT", "/v2/a/manifests/d", { body: text, headers })).status).toBe(201);
    expect((await client("GET", "/v2/a/manifests/d")).headers["content-type"]).toBe(docker);
    expect((await client("PUT", "/v2/a/manifests/o", { body: manifestText() })).status).toBe(201);
    expect((await client("GET", "/v2/a/manifests/o")).headers["content-type"]).toBe(imageType);
  });

  it("are refused with a media type that is none of a manifest", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    for (const type of [
      "text/plain",
      "application/json",
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ]) {
      const headers = { "content-type": type };
      const answer = await client("PUT", "/v2/a/manifests/v1", { body: manifestText(), headers });
      expect([answer.status, answer.code]).toEqual([400, "MANIFEST_INVALID"]);
    }
  });

  it("must refer to what the repository has, its subject and foreign layers aside", async () => {
    const { client } = await stage();
    const layer = await pushBlob(client, "other", randomBytes(10));
    await pushBlob(client, "a", "{}");
    const missing = await putManifest(client, "a", "v1", manifestText({ layers: [layer] }));
    expect([missing.status, missing.code]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    expect(JSON.stringify(missing.json())).toContain(layer);
    expect((await putManifest(client, "a", "v1", manifestText({ config: layer }))).code).toBe("MANIFEST_BLOB_UNKNOWN");
    expect((await putManifest(client, "a", "v1", indexText([sha("child")]))).code).toBe("MANIFEST_BLOB_UNKNOWN");
    expect((await putManifest(client, "a", "v1", manifestText({ subject: sha("subject") }))).status).toBe(201);
    const foreign = manifestText({ layers: [layer] }).replace("layer.v1.tar", "layer.nondistributable.v1.tar");
    expect((await putManifest(client, "a", "v2", foreign)).status).toBe(201);
  });

  it("may be indexes, of manifests, of indexes, of nothing, and of blobs as build caches have them", async () => {
    const { client } = await stage();
    const child = await pushImage(client, "a");
    const index = indexText([child]);
    expect((await putManifest(client, "a", "index", index)).status).toBe(201);
    expect((await putManifest(client, "a", "nested", indexText([sha(index)]))).status).toBe(201);
    expect((await putManifest(client, "a", "empty", indexText([]))).status).toBe(201);
    const blob = await pushBlob(client, "a", "cache");
    expect((await putManifest(client, "a", "cache", indexText([blob]))).status).toBe(201);
  });

  it("are deleted with their tags, by digest; a tag alone by its name", async () => {
    const { client } = await stage();
    const digest = await pushImage(client, "a", "v1");
    const text = (await client("GET", "/v2/a/manifests/v1")).body.toString();
    await putManifest(client, "a", "v2", text);
    await pushImage(client, "a", "other");
    expect((await client("DELETE", "/v2/a/manifests/v2")).status).toBe(202);
    expect((await client("GET", "/v2/a/manifests/v2")).status).toBe(404);
    expect((await client("GET", "/v2/a/manifests/v1")).status).toBe(200);
    expect((await client("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    expect((await client("HEAD", "/v2/a/manifests/v1")).status).toBe(404);
    expect((await client("GET", `/v2/a/manifests/${digest}`)).code).toBe("MANIFEST_UNKNOWN");
    expect((await client("DELETE", `/v2/a/manifests/${digest}`)).code).toBe("MANIFEST_UNKNOWN");
    expect((await client("GET", "/v2/a/manifests/other")).status).toBe(200);
    expect((await putManifest(client, "a", "again", text)).status).toBe(201);
  });

  it("are not served when they are damaged, and healed by another push", async () => {
    const folder = testFolder();
    const first = await stage({ folder });
    const digest = await pushImage(first.client, "a", "v1");
    const text = (await first.client("GET", "/v2/a/manifests/v1")).body.toString();
    await first.close();
    const hex = digest.slice(7);
    const file = join(first.storage, "blobs/sha256", hex.slice(0, 2), hex, "data");
    writeFileSync(file, text.replace("2", "3"));
    const { client } = await stage({ folder });
    expect((await client("GET", "/v2/a/manifests/v1")).status).toBe(500);
    expect((await putManifest(client, "a", "v1", text)).status).toBe(201);
    expect((await client("GET", "/v2/a/manifests/v1")).body.toString()).toBe(text);
  });
});

describe("conditional pushes", () => {
  it("honour If-Match and If-None-Match on a tag", async () => {
    const { client } = await stage();
    const first = await pushImage(client, "a", "v1");
    const text = manifestText({ annotations: { n: "1" } });
    const put = (headers: Record<string, string>, tag = "v1") => putManifest(client, "a", tag, text, { headers });
    const stale = await put({ "if-match": `"${sha("stale")}"` });
    expect([stale.status, stale.code]).toEqual([412, "DENIED"]);
    expect((await put({ "if-match": `"${first}"` }, "absent")).status).toBe(412);
    expect((await put({ "if-none-match": "*" })).status).toBe(412);
    expect((await client("HEAD", "/v2/a/manifests/v1")).headers["docker-content-digest"]).toBe(first);
    expect((await put({ "if-match": `"${first}"` })).status).toBe(201);
    expect((await put({ "if-none-match": "*" }, "fresh")).status).toBe(201);
    expect((await client("HEAD", "/v2/a/manifests/v1")).headers["docker-content-digest"]).toBe(sha(text));
    const late = await client("DELETE", "/v2/a/manifests/v1", { headers: { "if-match": `"${first}"` } });
    expect(late.status).toBe(412);
  });

  it("lose nothing when many writers update one tag at once", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    await putManifest(client, "a", "list", manifestText({ annotations: {} }));
    const writers = 24;
    let refused = 0;
    async function add(name: string): Promise<void> {
      for (;;) {
        const now = await client("GET", "/v2/a/manifests/list");
        const { annotations } = now.json() as { annotations: Record<string, string> };
        const text = manifestText({ annotations: { ...annotations, [name]: "here" } });
        const answer = await putManifest(client, "a", "list", text, {
          headers: { "if-match": now.headers.etag ?? "" },
        });
        if (answer.status === 201) return;
        expect(answer.status).toBe(412);
        refused++;
      }
    }
    await Promise.all(Array.from({ length: writers }, (_, i) => add(`writer-${i}`)));
    const { annotations } = (await client("GET", "/v2/a/manifests/list")).json() as { annotations: object };
    expect(Object.keys(annotations)).toHaveLength(writers);
    expect(refused).toBeGreaterThan(0);
  });

  it("let exactly one of many create a tag", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        putManifest(client, "a", "mine", manifestText({ annotations: { i: String(i) } }), {
          headers: { "if-none-match": "*" },
        }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(15).fill(412)]);
  });
});
