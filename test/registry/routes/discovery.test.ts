import { describe, expect, it } from "vitest";
import {
  type Client,
  indexText,
  indexType,
  manifestText,
  pushBlob,
  pushImage,
  putManifest,
  sha,
} from "../support/client.ts";
import { stage, testFolder } from "../support/server.ts";

async function pages(client: Client, first: string, field: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let path: string | undefined = first; path !== undefined; ) {
    const answer = await client("GET", path);
    expect(answer.status).toBe(200);
    found.push((answer.json() as Record<string, string[]>)[field] ?? []);
    path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.link as unknown as string)?.[1];
  }
  return found;
}

describe("the registry itself", () => {
  it("says what it is", async () => {
    const { client } = await stage();
    for (const path of ["/v2/", "/v2"]) {
      const answer = await client("GET", path);
      expect([answer.status, answer.headers["docker-distribution-api-version"]]).toEqual([200, "registry/2.0"]);
    }
    expect((await client("POST", "/v2/")).status).toBe(405);
    expect((await client("GET", "/")).code).toBe("UNSUPPORTED");
    expect((await client("GET", "/v2/%zz")).status).toBe(400);
    expect((await client("OPTIONS", "/v2/")).status).toBe(404);
  });
});

describe("tags", () => {
  it("are listed in order, in pages", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    for (const tag of ["v2", "V1", "latest", "v10", "_x"]) await putManifest(client, "a", tag, manifestText());
    expect((await client("GET", "/v2/a/tags/list")).json()).toEqual({
      name: "a",
      tags: ["_x", "latest", "V1", "v10", "v2"],
    });
    expect(await pages(client, "/v2/a/tags/list?n=2", "tags")).toEqual([["_x", "latest"], ["V1", "v10"], ["v2"]]);
    expect(await pages(client, "/v2/a/tags/list?last=latest", "tags")).toEqual([["V1", "v10", "v2"]]);
    expect(await pages(client, "/v2/a/tags/list?n=0", "tags")).toEqual([[]]);
    expect((await client("GET", "/v2/a/tags/list?n=x")).code).toBe("UNSUPPORTED");
  });

  it("differ by case, also in their files", async () => {
    const { client } = await stage();
    const [lower, upper] = [await pushImage(client, "a", "rc"), await pushImage(client, "a", "RC")];
    expect((await client("HEAD", "/v2/a/manifests/rc")).headers["docker-content-digest"]).toBe(lower);
    expect((await client("HEAD", "/v2/a/manifests/RC")).headers["docker-content-digest"]).toBe(upper);
    expect((await client("HEAD", "/v2/a/manifests/Rc")).status).toBe(404);
  });

  it("may be none; a repository without manifests is none", async () => {
    const { client } = await stage();
    expect((await client("GET", "/v2/a/tags/list")).code).toBe("NAME_UNKNOWN");
    await pushBlob(client, "a", "x");
    expect((await client("GET", "/v2/a/tags/list")).status).toBe(404);
    const digest = await pushImage(client, "a");
    expect((await client("GET", "/v2/a/tags/list")).json()).toEqual({ name: "a", tags: [] });
    await client("DELETE", `/v2/a/manifests/${digest}`);
    expect((await client("GET", "/v2/a/tags/list")).status).toBe(404);
  });
});

describe("the catalog", () => {
  it("lists repositories in pages, also after a new start, and forgets empty ones", async () => {
    const folder = testFolder();
    const first = await stage({ folder });
    const digests = new Map<string, string>();
    for (const name of ["b", "a/b/c", "a", "c/d"]) digests.set(name, await pushImage(first.client, name));
    expect(await pages(first.client, "/v2/_catalog?n=3", "repositories")).toEqual([["a", "a/b/c", "b"], ["c/d"]]);
    await pushImage(first.client, "aa");
    await first.client("DELETE", `/v2/b/manifests/${digests.get("b")}`);
    expect(await pages(first.client, "/v2/_catalog", "repositories")).toEqual([["a", "a/b/c", "aa", "c/d"]]);
    await first.close();
    const { client } = await stage({ folder });
    expect(await pages(client, "/v2/_catalog", "repositories")).toEqual([["a", "a/b/c", "aa", "c/d"]]);
  });
});

describe("referrers", () => {
  it("are listed with type and annotations, filtered, and gone when they are deleted", async () => {
    const { client } = await stage();
    const subject = await pushImage(client, "a", "v1");
    const list = async (query = "") => {
      const answer = await client("GET", `/v2/a/referrers/${subject}${query}`);
      expect([answer.status, answer.headers["content-type"]]).toEqual([200, indexType]);
      const { manifests, ...rest } = answer.json() as { manifests: { digest: string }[] };
      expect(rest).toEqual({ schemaVersion: 2, mediaType: indexType });
      return { manifests, filters: answer.headers["oci-filters-applied"] };
    };
    expect((await list()).manifests).toEqual([]);
    const sbom = manifestText({ subject, artifactType: "application/x-sbom", annotations: { n: "1" } });
    const plain = manifestText({ subject });
    const index = indexText([], { subject: { mediaType: indexType, digest: subject, size: 1 } });
    for (const text of [sbom, plain, index]) {
      const put = await putManifest(client, "a", sha(text), text);
      expect([put.status, put.headers["oci-subject"]]).toEqual([201, subject]);
    }
    const all = (await list()).manifests;
    expect(all).toHaveLength(3);
    expect(all).toContainEqual({
      mediaType: expect.any(String),
      digest: sha(sbom),
      size: sbom.length,
      artifactType: "application/x-sbom",
      annotations: { n: "1" },
    });
    expect(all.find(({ digest }) => digest === sha(plain))).toMatchObject({
      artifactType: "application/vnd.oci.image.config.v1+json",
    });
    expect(all.find(({ digest }) => digest === sha(index))).not.toHaveProperty("artifactType");
    const filtered = await list("?artifactType=application/x-sbom");
    expect([filtered.filters, filtered.manifests.map(({ digest }) => digest)]).toEqual(["artifactType", [sha(sbom)]]);
    expect((await list("?artifactType=none")).manifests).toEqual([]);
    await client("DELETE", `/v2/a/manifests/${sha(sbom)}`);
    expect((await list()).manifests).toHaveLength(2);
  });

  it("are known before their subject comes, and in their repository only", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const subject = sha("later");
    const text = manifestText({ subject, artifactType: "x/y" });
    expect((await putManifest(client, "a", "early", text)).headers["oci-subject"]).toBe(subject);
    const listed = (await client("GET", `/v2/a/referrers/${subject}`)).json() as { manifests: unknown[] };
    expect(listed.manifests).toHaveLength(1);
    const elsewhere = await client("GET", `/v2/b/referrers/${subject}`);
    expect([elsewhere.status, (elsewhere.json() as { manifests: unknown[] }).manifests]).toEqual([200, []]);
    expect((await client("GET", "/v2/a/referrers/x")).code).toBe("DIGEST_INVALID");
  });

  it("come in pages when they are many or large", async () => {
    const { client } = await stage();
    await pushBlob(client, "a", "{}");
    const subject = sha("popular");
    const pushed = new Set<string>();
    const push = async (annotations: Record<string, string>) => {
      const text = manifestText({ subject, annotations });
      expect((await putManifest(client, "a", sha(text), text)).status).toBe(201);
      pushed.add(sha(text));
    };
    for (let i = 0; i < 3; i++) await push({ i: String(i), large: "x".repeat(1_900_000) });
    for (let i = 0; i < 510; i += 30)
      await Promise.all(Array.from({ length: 30 }, (_, j) => push({ i: String(i + j) })));
    const listed: string[] = [];
    let count = 0;
    for (let path: string | undefined = `/v2/a/referrers/${subject}`; path !== undefined; count++) {
      const answer = await client("GET", path);
      expect(answer.body.length).toBeLessThan(4 * 1024 * 1024);
      listed.push(...(answer.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest));
      path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.link as unknown as string)?.[1];
    }
    expect(count).toBeGreaterThanOrEqual(2);
    expect(listed).toHaveLength(513);
    expect(new Set(listed)).toEqual(pushed);
  });
});
