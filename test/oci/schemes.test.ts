import { beforeAll, describe, expect, test } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { makeImage } from "./artifacts.ts";
import { sendError, serve, type TestServer } from "./server.ts";
import { createAuthority, type TestAuthority } from "./tls.ts";

const image = makeImage("one");
let authority: TestAuthority;
beforeAll(() => {
  authority = createAuthority();
});

/** A server of one scheme behind a port; `mismatch` is what another one gets, as a Go server answers plain HTTP. */
function serveImage(tls: boolean): Promise<TestServer> {
  const options = tls ? authority.issue("localhost", ["127.0.0.1"]) : undefined;
  return serve((_request, response) => {
    response.writeHead(200, {
      "Content-Type": image.mediaType,
      "Content-Length": image.bytes.length,
      "Docker-Content-Digest": image.descriptor.digest,
    });
    response.end();
  }, options);
}

const at = (host: string) => parseReference(`${host}/app:v1`);

describe("the scheme of a registry on this machine", () => {
  test.each([
    [true, true],
    [false, true],
    [false, false],
  ])("TLS: %s, with an authority: %s, is found once and remembered", async (tls, hasAuthority) => {
    const { host, requests } = await serveImage(tls);
    const schemes: string[] = [];
    const registry = createHttpRegistry({
      ca: hasAuthority ? authority.cert : undefined,
      onRequest: ({ url }) => schemes.push(url.split(":")[0] ?? ""),
    });
    for (let i = 0; i < 3; i++) expect(await registry.resolve(at(host))).toEqual(image.descriptor);
    expect(requests).toHaveLength(3);
    expect(schemes.slice(-2)).toEqual(tls ? ["https", "https"] : ["http", "http"]);
  });

  test("whose certificate nobody knows is not plain HTTP", async () => {
    const { host } = await serveImage(true);
    await expect(createHttpRegistry().resolve(at(host))).rejects.toMatchObject({ code: "TLS_FAILED" });
  });

  test("that is not there is unreachable, whatever is tried", async () => {
    const { host, stop } = await serveImage(false);
    await stop();
    for (const ca of [undefined, authority.cert])
      await expect(createHttpRegistry({ ca }).resolve(at(host))).rejects.toMatchObject({
        code: "REGISTRY_UNREACHABLE",
      });
  });

  test("that answers 400 over plain HTTP keeps its answer", async () => {
    const { host, requests } = await serve((_request, response) => sendError(response, 400, "NAME_INVALID"));
    const registry = createHttpRegistry();
    for (let i = 0; i < 2; i++)
      await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({
        message: expect.stringContaining("NAME_INVALID"),
      });
    expect(requests).toHaveLength(2);
  });
});
