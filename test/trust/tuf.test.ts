import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { fetchByTuf } from "../../src/trust/tuf.ts";
import { createAuthority } from "../oci/tls.ts";
import { codeOfRejection } from "../support/errors.ts";
import { createTufRepository, serveRepository, writeRepository } from "../support/tuf-repository.ts";

const target = "trusted_root.json";
const folders: string[] = [];

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "trust-tuf-test-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  vi.unstubAllEnvs();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function publishedRepository() {
  const repository = createTufRepository();
  repository.publish({ [target]: "one" });
  return repository;
}

describe("fetchByTuf", () => {
  it("fetches the target, and keeps metadata for the next time", async () => {
    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    const first = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": repository.root } });
    expect(first.target).toBe("one");
    expect(Object.keys(first.metadata).sort()).toEqual([
      "root.json",
      "snapshot.json",
      "targets.json",
      "timestamp.json",
    ]);
    expect(first.expires).toBe(Date.parse("2099-01-01T00:00:00Z"));
    repository.publish({ [target]: "two" });
    expect((await fetchByTuf({ mirror: served.url, target, metadata: first.metadata })).target).toBe("two");
  });

  it("finds the targets where the repository has them", async () => {
    const repository = publishedRepository();
    const moved = [...repository.files].map(
      ([path, text]) => [path.replace(/^targets\//, "static/keys/"), text] as const,
    );
    await using served = await serveRepository(new Map(moved));
    const request = { mirror: served.url, target, metadata: { "root.json": repository.root } };
    expect((await fetchByTuf({ ...request, targets: "static/keys" })).target).toBe("one");
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_UNREACHABLE");
  });

  it("says when the first of the metadata runs out", async () => {
    const repository = createTufRepository();
    repository.publish({ [target]: "one" }, { snapshot: "2098-01-01T00:00:00Z", timestamp: "2098-02-01T00:00:00Z" });
    await using served = await serveRepository(repository.files);
    const { expires } = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": repository.root } });
    expect(expires).toBe(Date.parse("2098-01-01T00:00:00Z"));
  });

  it("brings the signing configuration along where there is one", async () => {
    const repository = createTufRepository();
    repository.publish({ [target]: "one", "signing_config.v0.2.json": "{}" });
    await using served = await serveRepository(repository.files);
    const result = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": repository.root } });
    expect(result.signingConfig).toBe("{}");
  });

  it("follows rotations of the root", async () => {
    const repository = publishedRepository();
    repository.rotate();
    repository.rotate();
    await using served = await serveRepository(repository.files);
    const result = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": repository.root } });
    expect(JSON.parse(result.metadata["root.json"] ?? "").signed.version).toBe(3);
    expect(result.target).toBe("one");
  });

  it("reads a folder as a mirror", async () => {
    const repository = publishedRepository();
    const folder = temporaryFolder();
    writeRepository(repository.files, folder);
    const mirror = pathToFileURL(folder).href;
    expect((await fetchByTuf({ mirror, target, metadata: { "root.json": repository.root } })).target).toBe("one");
  });

  it("reads nothing outside of the folder", async () => {
    const repository = publishedRepository();
    const folder = temporaryFolder();
    const outside = join(temporaryFolder(), "timestamp.json");
    writeRepository(repository.files, folder);
    writeFileSync(outside, repository.files.get("timestamp.json") ?? "");
    rmSync(join(folder, "timestamp.json"));
    symlinkSync(outside, join(folder, "timestamp.json"));
    const request = { mirror: pathToFileURL(folder).href, target, metadata: { "root.json": repository.root } };
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_UNREACHABLE");
  });

  it.each([
    ["a root that the old keys have not signed", (it: ReturnType<typeof publishedRepository>) => it.usurp()],
    [
      "a target with other bytes",
      ({ files }: ReturnType<typeof publishedRepository>) => {
        const name = [...files.keys()].find((path) => path.startsWith("targets/")) ?? "";
        files.set(name, "eno");
      },
    ],
    [
      "a longer target",
      ({ files }: ReturnType<typeof publishedRepository>) => {
        const name = [...files.keys()].find((path) => path.startsWith("targets/")) ?? "";
        files.set(name, "one and more");
      },
    ],
    [
      "a changed timestamp",
      ({ files }: ReturnType<typeof publishedRepository>) => {
        files.set("timestamp.json", (files.get("timestamp.json") ?? "").replace("2099", "2100"));
      },
    ],
    [
      "changed targets",
      ({ files }: ReturnType<typeof publishedRepository>) => {
        files.set("1.targets.json", (files.get("1.targets.json") ?? "").replace('"length":3', '"length":4'));
      },
    ],
    [
      "a snapshot that is no JSON",
      ({ files }: ReturnType<typeof publishedRepository>) => void files.set("1.snapshot.json", "{"),
    ],
  ])("refuses %s", async (_, tamper) => {
    const repository = publishedRepository();
    tamper(repository);
    await using served = await serveRepository(repository.files);
    const request = { mirror: served.url, target, metadata: { "root.json": repository.root } };
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_REFUSED");
  });

  it("refuses to go back to what was current before", async () => {
    const repository = publishedRepository();
    const before = new Map(repository.files);
    repository.publish({ [target]: "two" });
    await using served = await serveRepository(repository.files);
    const { metadata } = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": repository.root } });
    served.files = before;
    expect(await codeOfRejection(fetchByTuf({ mirror: served.url, target, metadata }))).toBe("TRUST_ROOT_REFUSED");
  });

  it.each(["timestamp", "snapshot", "targets"] as const)("calls a mirror whose %s has expired stale", async (role) => {
    const repository = createTufRepository();
    repository.publish({ [target]: "one" }, { [role]: "2020-01-01T00:00:00Z" });
    await using served = await serveRepository(repository.files);
    const request = { mirror: served.url, target, metadata: { "root.json": repository.root } };
    expect(await codeOfRejection(fetchByTuf(request))).toBe("ROOT_STALE");
  });

  it("tells an outage from tampering", async () => {
    const repository = publishedRepository();
    const served = await serveRepository(repository.files);
    const request = { mirror: served.url, target, metadata: { "root.json": repository.root } };
    served.files = undefined;
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_UNREACHABLE");
    await served[Symbol.asyncDispose]();
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_UNREACHABLE");
  });

  it("follows redirects, and gets over a passing failure", async () => {
    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    let failures = 1;
    const server = createServer((request, response) => {
      const isFailing = request.url === "/timestamp.json" && failures-- > 0;
      response.writeHead(isFailing ? 503 : 302, { Location: `${served.url}${request.url}` }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const request = { mirror, target, metadata: { "root.json": repository.root } };
      expect((await fetchByTuf(request)).target).toBe("one");
      const [name] = [...repository.files.keys()].filter((path) => path.startsWith("targets/"));
      repository.files.set(name ?? "", "eno");
      failures = 1;
      expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_REFUSED");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("does not follow redirects for ever", async () => {
    const server = createServer((request, response) => response.writeHead(302, { Location: request.url }).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const request = { mirror, target, metadata: { "root.json": createTufRepository().root } };
      expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_UNREACHABLE");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("trusts the certificate authority that it is given, and no stranger", async () => {
    const authority = createAuthority();
    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    const server = createTlsServer(authority.issue("mirror", ["127.0.0.1"]), async (request, response) => {
      const answer = await fetch(`${served.url}${request.url}`);
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const mirror = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const request = { mirror, target, metadata: { "root.json": repository.root } };
      expect((await fetchByTuf({ ...request, web: { ca: authority.cert } })).target).toBe("one");
      expect(await codeOfRejection(fetchByTuf(request))).toBe("TLS_FAILED");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it.each([
    ["no JSON", () => "{"],
    [
      "another role",
      (repository: ReturnType<typeof publishedRepository>) => repository.files.get("timestamp.json") ?? "",
    ],
    [
      "a root that its own keys have not signed",
      ({ root }: ReturnType<typeof publishedRepository>) => root.replace("2099", "2100"),
    ],
  ])("refuses to start with %s", async (_, rootOf) => {
    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    const request = { mirror: served.url, target, metadata: { "root.json": rootOf(repository) } };
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_INVALID");
  });

  it("names the target that the repository does not have", async () => {
    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    const request = { mirror: served.url, target: "other.json", metadata: { "root.json": repository.root } };
    expect(await codeOfRejection(fetchByTuf(request))).toBe("TRUST_ROOT_NOT_FOUND");
  });

  it("says of a server that is no repository what it lacks", async () => {
    await using served = await serveRepository(new Map());
    const { root } = createTufRepository();
    const error = await fetchByTuf({ mirror: served.url, target, metadata: { "root.json": root } }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(TrustError);
    expect(error).toMatchObject({ code: "TRUST_ROOT_UNREACHABLE", found: "no timestamp.json" });
  });

  it.each(["ftp://example.com", "not an address", "https://me:secret@example.com", "file:///nowhere/at/all"])(
    "refuses the address %s without repeating a password",
    async (mirror) => {
      const { root } = createTufRepository();
      const error = await fetchByTuf({ mirror, target, metadata: { "root.json": root } }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: mirror.startsWith("file") ? "FILE_NOT_FOUND" : "USAGE" });
      expect(JSON.stringify(error) + String(error)).not.toContain("secret");
    },
  );

  it("stops when it is told to, and leaves nothing behind", async () => {
    vi.stubEnv("TMPDIR", temporaryFolder());

    const repository = publishedRepository();
    await using served = await serveRepository(repository.files);
    const signal = AbortSignal.abort(new Error("enough"));
    const request = { mirror: served.url, target, metadata: { "root.json": repository.root }, signal };
    await expect(fetchByTuf(request)).rejects.toThrow("enough");
    expect(readdirSync(tmpdir())).toEqual([]);
  });
});
