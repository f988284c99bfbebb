import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { runTrust } from "../support/cli.ts";
import { tinyImage } from "../support/images.ts";
import { freePort, tempDir } from "../support/process.ts";

// What users and registries can do wrong, as far as it shows in an exit code (DESIGN 5.12).
const folder = tempDir("trust-bad-input");
const fixture = (name: string) => join(import.meta.dirname, "../fixtures/keys", name);
const image = tinyImage("bad input");
const mediaType = mediaTypes.imageManifest;
const password = "test-password";

/** What the hostile registry does with a request below /v2/; anything it does not answer is 404. */
type Behaviour = (path: string, response: ServerResponse, request: IncomingMessage) => boolean;
let behave: Behaviour = () => false;
let server: Server;
let host: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (behave(request.url ?? "", response, request)) return;
    response.writeHead(404).end(JSON.stringify({ errors: [{ code: "NAME_UNKNOWN" }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  copyFileSync(fixture("cosign.key"), join(folder.path, "good.key"));
  writeFileSync(
    join(folder.path, "malformed.key"),
    readFileSync(fixture("cosign.key"), "utf8").replace(/\n.{10}/, "\n!"),
  );
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
  folder.cleanup();
});

async function trust(env: Record<string, string>, ...argv: string[]) {
  const result = await runTrust(argv, { env: { HOME: folder.path, ...env }, folder: folder.path });
  // Never a stack trace, never a secret.
  expect(result.stderr + result.stdout).not.toMatch(/^\s+at /m);
  expect(result.stderr + result.stdout).not.toContain(password);
  return result;
}
const sign = (key: string, ...argv: string[]) => trust({ TRUST_PASSWORD: password }, "sign", "--key", key, ...argv);
const verify = (...argv: string[]) => trust({}, "verify", "--key", fixture("cosign.pub"), ...argv);

/** Serves the manifest as it should be. */
const good: Behaviour = (path, response, { method }) => {
  if (!/\/manifests\/(?:1|sha256:.*)$/.test(path)) return false;
  response.writeHead(200, {
    "content-type": mediaType,
    "content-length": image.manifest.length,
    "docker-content-digest": image.descriptor.digest,
  });
  response.end(method === "HEAD" ? undefined : image.manifest);
  return true;
};

describe("keys", () => {
  test("a wrong password is 3, before anything is asked of the registry", async () => {
    let requests = 0;
    behave = () => {
      requests++;
      return false;
    };
    const result = await trust({ TRUST_PASSWORD: "wrong" }, "sign", "--key", "good.key", `${host}/app:1`);
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain("KEY_PASSWORD_WRONG");
    expect(requests).toBe(0);
  });

  test.each([
    ["malformed.key", "KEY_INVALID"],
    ["none.key", "KEY_NOT_FOUND"],
    [fixture("cosign.pub"), "KEY_INVALID"],
    [fixture("ec-source.sec1.pem"), "KEY_INVALID"],
  ])("signing with %s is 3 and %s", async (key, code) => {
    const result = await sign(key, `${host}/app:1`);
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain(code);
  });
});

describe("registries", () => {
  test("an unreachable one is 4, whether signing or verifying", async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    for (const result of [await sign("good.key", `${nobody}/app:1`), await verify(`${nobody}/app:1`)]) {
      expect(result.code).toBe(4);
      expect(result.stdout).toContain("REGISTRY_UNREACHABLE");
    }
  });

  test("a missing image is 1", async () => {
    behave = () => false;
    for (const result of [await sign("good.key", `${host}/app:1`), await verify(`${host}/app:1`)]) {
      expect(result.code).toBe(1);
      expect(result.stdout).toContain("IMAGE_NOT_FOUND");
    }
  });

  test.each([
    [401, "AUTHENTICATION_REQUIRED"],
    [403, "AUTHORIZATION_DENIED"],
  ])("one that answers %i is 3", async (status, code) => {
    behave = (_path, response) => {
      response.writeHead(status, { "www-authenticate": 'Basic realm="r"' }).end();
      return true;
    };
    for (const result of [await sign("good.key", `${host}/app:1`), await verify(`${host}/app:1`)]) {
      expect(result.code).toBe(3);
      expect(result.stdout).toContain(code);
    }
  });

  test("a tag that stands for another digest than expected is 1, and nothing is pushed", async () => {
    const written: string[] = [];
    behave = (path, response, request) => {
      if (request.method !== "GET" && request.method !== "HEAD") written.push(`${request.method} ${path}`);
      return good(path, response, request);
    };
    const result = await sign("good.key", "--expect-digest", digestOf(Buffer.from("other")), `${host}/app:1`);
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("DIGEST_MISMATCH");
    expect(written).toEqual([]);
  });
});

describe("content", () => {
  const referrer = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      config: { mediaType: mediaTypes.empty, digest: digestOf(Buffer.from("{}")), size: 2 },
      layers: [
        {
          mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
          digest: digestOf(Buffer.from("bundle")),
          size: 6,
        },
      ],
      subject: image.descriptor,
    }),
  );
  const index = (digest: string, size: number) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.imageIndex,
        manifests: [{ mediaType, digest, size, artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json" }],
      }),
    );
  const answer = (response: ServerResponse, bytes: Uint8Array, type: string): true => {
    response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
    return true;
  };

  test("a signature whose bytes are not those of its digest is 1", async () => {
    behave = (path, response, request) => {
      if (path.includes("/referrers/"))
        return answer(response, index(digestOf(referrer), referrer.length), mediaTypes.imageIndex);
      if (path.endsWith(digestOf(referrer))) return answer(response, referrer, mediaType);
      if (path.includes("/blobs/")) return answer(response, Buffer.from("bundlX"), "application/octet-stream");
      return good(path, response, request);
    };
    const result = await verify(`${host}/app:1`, "--output", "json");
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)[0]).toMatchObject({ outcome: "deny", status: "untrusted" });
    expect(result.stdout).toContain("CONTENT_MISMATCH");
  });

  test.each<[string, string, number, Behaviour]>([
    [
      "is larger than any manifest",
      "CONTENT_TOO_LARGE",
      1,
      (path, response) =>
        path.endsWith("/manifests/1") && answer(response, Buffer.alloc(5 * 1024 * 1024, " "), mediaType),
    ],
    [
      "ends early",
      "REGISTRY_UNREACHABLE",
      4,
      (path, response, { method }) => {
        if (!path.endsWith("/manifests/1")) return false;
        response.writeHead(200, { "content-type": mediaType, "content-length": 1000 });
        if (method === "HEAD") response.end();
        else response.write("{", () => response.destroy());
        return true;
      },
    ],
    [
      "is not what the registry said it was",
      "CONTENT_MISMATCH",
      1,
      (path, response, { method }) => {
        if (!path.endsWith("/manifests/1") || method === "HEAD") return false;
        response.setHeader("docker-content-digest", image.descriptor.digest);
        return answer(response, Buffer.from('{"schemaVersion":2}'), mediaType);
      },
    ],
  ])("an image whose manifest %s is never signed: %s, %i", async (_what, code, exitCode, lie) => {
    // A registry that does not answer HEAD with a digest is asked for the whole manifest.
    behave = (path, response, request) => {
      if (request.method === "HEAD" && path.endsWith("/manifests/1")) {
        response.writeHead(200, { "content-type": mediaType }).end();
        return true;
      }
      return lie(path, response, request);
    };
    const result = await sign("good.key", `${host}/app:1`);
    expect(result.stdout).toContain(code);
    expect(result.code).toBe(exitCode);
  });

  test("a listing of signatures that ends early is 4: nothing is known", async () => {
    behave = (path, response, request) => {
      if (!path.includes("/referrers/")) return good(path, response, request);
      response.writeHead(200, { "content-type": mediaTypes.imageIndex, "content-length": 1000 });
      response.write('{"schemaVersion":2');
      setTimeout(() => response.destroy(), 10);
      return true;
    };
    const result = await verify(`${host}/app:1`, "--output", "json");
    expect(result.code).toBe(4);
    expect(JSON.parse(result.stdout)[0]).toMatchObject({ outcome: "deny", status: "unavailable" });
  });

  test("of several results the gravest counts", async () => {
    behave = good;
    const nobody = `127.0.0.1:${await freePort()}`;
    expect((await verify(`${host}/app:1`, `${nobody}/app:1`)).code).toBe(1);
    expect((await verify(`${host}/app:1`, "Not A Name", `${nobody}/app:1`)).code).toBe(2);
  });
});

describe("addresses", () => {
  test("a link-local one is asked only when it is named", async () => {
    const refused = await verify("169.254.169.254/app:1");
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain("REGISTRY_NOT_ALLOWED");
    expect((await verify("--allow-registry", "not a host", "app:1")).code).toBe(3);
    // What is allowed is asked; nobody answers there.
    const signal = AbortSignal.timeout(300);
    const argv = [
      "verify",
      "--key",
      fixture("cosign.pub"),
      "--allow-registry",
      "169.254.0.0/16",
      "169.254.169.254:1/app:1",
    ];
    const asked = await runTrust(argv, { env: { HOME: folder.path }, folder: folder.path, signal });
    expect(asked.stdout).not.toContain("REGISTRY_NOT_ALLOWED");
  });
});
