import type { IncomingMessage, ServerResponse } from "node:http";
import { beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import type { Credential, CredentialSource } from "../../src/oci/credential.ts";
import { createHttpRegistry, type HttpRegistryOptions } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { makeImage } from "./artifacts.ts";
import { readAll, sendError, sendJson, serve, type TestServer, type TlsOptions } from "./server.ts";
import { createAuthority, type TestAuthority } from "./tls.ts";

const image = makeImage("one");
const bob: Credential = { username: "bob", password: "secret" };
const basicOfBob = `Basic ${Buffer.from("bob:secret").toString("base64")}`;

let authority: TestAuthority;
beforeAll(() => {
  authority = createAuthority();
});
const certificate = () => authority.issue("localhost", ["localhost", "127.0.0.1"]);

function sendImage(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, {
    "Content-Type": image.mediaType,
    "Content-Length": image.bytes.length,
    "Docker-Content-Digest": image.descriptor.digest,
  });
  response.end(request.method === "HEAD" ? undefined : image.bytes);
}

interface TokenQuestion {
  readonly method: string | undefined;
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

interface TokenServerOptions {
  readonly answer?: (question: TokenQuestion, response: ServerResponse) => void;
  readonly lifetime?: number;
  readonly tls?: TlsOptions;
}

/** A token service whose tokens are its counter and the scopes asked for. */
async function serveTokens({ answer, lifetime = 300, tls }: TokenServerOptions = {}) {
  const questions: TokenQuestion[] = [];
  const server = await serve(async (request, response) => {
    const form = new URLSearchParams((await readAll(request)).toString());
    const url = new URL(request.url ?? "", "http://token");
    const question = { method: request.method, url, authorization: request.headers.authorization, form };
    questions.push(question);
    if (answer !== undefined) return answer(question, response);
    const scopes = [...url.searchParams.getAll("scope"), ...form.getAll("scope")].join(" ");
    const token = Buffer.from(`${questions.length} ${scopes}`).toString("base64url");
    sendJson(response, 200, { token, expires_in: lifetime });
  }, tls);
  return { ...server, questions, realm: `${server.origin}/token` };
}

/** The scopes in a token of `serveTokens`. */
const scopesOf = (request: IncomingMessage) =>
  Buffer.from((request.headers.authorization ?? "").replace("Bearer ", ""), "base64url").toString();

/** A registry that asks for a token with the scope it needs. */
function serveBearer(
  realm: string,
  scope: (request: IncomingMessage) => string,
  tls?: TlsOptions,
): Promise<TestServer> {
  return serve((request, response) => {
    const needed = scope(request);
    if (scopesOf(request).includes(needed)) return sendImage(request, response);
    const challenge = `Bearer realm="${realm}",service="registry",scope="${needed}"`;
    sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
  }, tls);
}

function registryWith(credential: Credential | undefined, options: HttpRegistryOptions = {}) {
  const asked: string[] = [];
  const credentials: CredentialSource = {
    credentialsFor: async (registry) => {
      asked.push(registry);
      return credential;
    },
  };
  return { ...createHttpRegistry({ credentials, ...options }), asked };
}

const at = (host: string, repository = "app") => parseReference(`${host}/${repository}:v1`);

describe("Basic", () => {
  const serveBasic = (accepted: string, tls?: TlsOptions) => {
    const seen: (string | undefined)[] = [];
    const server = serve((request, response) => {
      seen.push(request.headers.authorization);
      if (request.headers.authorization === accepted) return sendImage(request, response);
      sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="test"' });
    }, tls);
    return server.then((running) => ({ ...running, seen }));
  };

  test("credentials are sent only after the registry asked, and then at once", async () => {
    const { host, seen } = await serveBasic(basicOfBob);
    const registry = registryWith(bob);
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
    await registry.resolve(at(host, "other"));
    expect(seen).toEqual([undefined, basicOfBob, basicOfBob]);
  });

  test("refused credentials are tried once and not shown", async () => {
    const { host, seen } = await serveBasic("another");
    const error = await registryWith(bob)
      .resolve(at(host))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "AUTHENTICATION_REQUIRED", category: "config" });
    expect(JSON.stringify(error) + String(error)).not.toContain("secret");
    expect(seen).toEqual([undefined, basicOfBob]);
  });

  test("without credentials the answer is that some are needed", async () => {
    const { host, seen } = await serveBasic(basicOfBob);
    await expect(registryWith(undefined).resolve(at(host))).rejects.toMatchObject({ code: "AUTHENTICATION_REQUIRED" });
    expect(seen).toEqual([undefined]);
  });

  test("nobody is asked for credentials where the registry asks for none", async () => {
    const { host } = await serve(sendImage);
    const registry = registryWith(bob);
    await registry.resolve(at(host));
    expect(registry.asked).toEqual([]);
  });

  test("changed credentials are picked up after a refusal", async () => {
    const { host } = await serveBasic(basicOfBob);
    const passwords = ["wrong", "secret"];
    const credentials = { credentialsFor: async () => ({ username: "bob", password: passwords.shift() ?? "" }) };
    const registry = createHttpRegistry({ credentials });
    await expect(registry.resolve(at(host))).rejects.toMatchObject({ code: "AUTHENTICATION_REQUIRED" });
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
  });
});

describe("tokens", () => {
  const pull = () => "repository:app:pull";

  test("a token is fetched with service and scope, by user and password, and used again", async () => {
    const tokens = await serveTokens();
    const { host, requests } = await serveBearer(tokens.realm, pull);
    const registry = registryWith(bob);
    await registry.resolve(at(host));
    await registry.resolve(at(host));
    await registry.fetchManifest(at(host), "v1");
    expect(requests).toHaveLength(4);
    expect(tokens.questions).toHaveLength(1);
    expect(tokens.questions[0]?.url.search).toBe("?service=registry&scope=repository%3Aapp%3Apull");
    expect(tokens.questions[0]?.authorization).toBe(basicOfBob);
  });

  test("an anonymous token is fetched without credentials", async () => {
    const tokens = await serveTokens();
    const { host } = await serveBearer(tokens.realm, pull);
    expect(await registryWith(undefined).resolve(at(host))).toEqual(image.descriptor);
    expect(tokens.questions[0]?.authorization).toBeUndefined();
  });

  test("another repository gets its token without another 401", async () => {
    const tokens = await serveTokens();
    const { host, requests } = await serveBearer(tokens.realm, (request) => {
      return `repository:${request.url?.split("/")[2]}:pull`;
    });
    const registry = registryWith(bob);
    await registry.resolve(at(host, "one"));
    await registry.resolve(at(host, "two"));
    expect(requests).toHaveLength(3);
    expect(tokens.questions).toHaveLength(2);
  });

  test("requests at once share one token", async () => {
    const tokens = await serveTokens();
    const { host } = await serveBearer(tokens.realm, pull);
    const registry = registryWith(bob);
    await registry.resolve(at(host));
    const slow = await serveTokens();
    expect(slow.questions).toEqual([]);
    const fresh = registryWith(bob);
    tokens.questions.length = 0;
    await Promise.all(Array.from({ length: 10 }, () => fresh.resolve(at(host))));
    expect(tokens.questions).toHaveLength(1);
  });

  test("a token is fetched anew shortly before it expires", async () => {
    const tokens = await serveTokens({ lifetime: 100 });
    const { host } = await serveBearer(tokens.realm, pull);
    let now = 1_000_000;
    const registry = registryWith(bob, { now: () => now });
    await registry.resolve(at(host));
    now += 80_000;
    await registry.resolve(at(host));
    expect(tokens.questions).toHaveLength(1);
    now += 15_000;
    await registry.resolve(at(host));
    expect(tokens.questions).toHaveLength(2);
  });

  test("a token that the registry no longer accepts is replaced once", async () => {
    const tokens = await serveTokens();
    let revoked = "";
    const { host, requests } = await serve((request, response) => {
      const { authorization } = request.headers;
      if (authorization !== undefined && authorization !== revoked) return sendImage(request, response);
      const challenge = `Bearer realm="${tokens.realm}",service="registry"`;
      sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
    });
    const registry = registryWith(bob);
    await registry.resolve(at(host));
    revoked = `Bearer ${Buffer.from("1 repository:app:pull").toString("base64url")}`;
    await registry.resolve(at(host));
    expect(tokens.questions).toHaveLength(2);
    expect(requests).toHaveLength(4);
  });

  test("an endless 401 ends", async () => {
    const tokens = await serveTokens();
    const { host, requests } = await serve((_request, response) => {
      const challenge = `Bearer realm="${tokens.realm}",service="registry",scope="repository:app:pull"`;
      sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
    });
    await expect(registryWith(bob).resolve(at(host))).rejects.toMatchObject({ code: "AUTHENTICATION_REQUIRED" });
    expect(requests.length).toBeLessThanOrEqual(3);
  });

  test("a 403 that names a wider scope is answered once with a wider token", async () => {
    const tokens = await serveTokens();
    const { host, requests } = await serve((request, response) => {
      const scopes = scopesOf(request);
      if (scopes.includes("push") && scopes.includes("repository:base:pull")) {
        response.writeHead(201).end();
        return;
      }
      const scope = "repository:app:pull,push repository:base:pull";
      const challenge = `Bearer realm="${tokens.realm}",service="registry",scope="${scope}"`;
      sendError(
        response,
        scopes === "" ? 401 : 403,
        "DENIED",
        scopes === "" ? { "WWW-Authenticate": challenge.replace(/,scope=.*/, "") } : { "WWW-Authenticate": challenge },
      );
    });
    await registryWith(bob).pushManifest(at(host), { ...image, tag: "v1" });
    expect(requests).toHaveLength(3);
    expect(tokens.questions.map(({ url }) => url.searchParams.getAll("scope"))).toEqual([
      ["repository:app:pull,push"],
      ["repository:app:pull,push", "repository:base:pull"],
    ]);
  });

  test("a 403 that asks for nothing more is a denial", async () => {
    const tokens = await serveTokens();
    const { host, requests } = await serve((request, response) => {
      const challenge = `Bearer realm="${tokens.realm}",service="registry",scope="repository:app:pull"`;
      sendError(response, scopesOf(request) === "" ? 401 : 403, "DENIED", { "WWW-Authenticate": challenge });
    });
    await expect(registryWith(bob).resolve(at(host))).rejects.toMatchObject({
      code: "AUTHORIZATION_DENIED",
      category: "config",
    });
    expect(requests).toHaveLength(2);
  });

  test("a mount asks for the right to pull from its source as well", async () => {
    const tokens = await serveTokens();
    const { host } = await serve((request, response) => {
      const scopes = scopesOf(request);
      const challenge = `Bearer realm="${tokens.realm}",service="registry"`;
      if (scopes === "") return sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge });
      response.writeHead(request.method === "HEAD" ? 404 : 201).end();
    });
    const blob = Buffer.from("blob");
    await registryWith(bob).pushBlob(at(host), blobOf(blob, digestOf(blob)), { from: "base" });
    expect(tokens.questions.at(-1)?.url.searchParams.getAll("scope")).toEqual([
      "repository:app:pull,push",
      "repository:base:pull",
    ]);
  });

  test("an identity token is exchanged by POST and not sent anywhere else", async () => {
    const tokens = await serveTokens();
    const { host } = await serveBearer(tokens.realm, pull);
    await registryWith({ identityToken: "idtoken" }).resolve(at(host));
    const [question] = tokens.questions;
    expect(question?.method).toBe("POST");
    expect(question?.url.search).toBe("");
    expect(Object.fromEntries(question?.form ?? [])).toEqual({
      grant_type: "refresh_token",
      client_id: "trust",
      refresh_token: "idtoken",
      service: "registry",
      scope: "repository:app:pull",
    });
  });

  test("a service that knows no POST gets user and password instead, where there are some", async () => {
    const tokens = await serveTokens({
      answer: ({ method }, response) =>
        method === "POST"
          ? response.writeHead(405).end()
          : sendJson(response, 200, { access_token: Buffer.from("repository:app:pull").toString("base64url") }),
    });
    const { host } = await serveBearer(tokens.realm, pull);
    await registryWith({ ...bob, identityToken: "idtoken" }).resolve(at(host));
    expect(tokens.questions.map(({ method, authorization }) => [method, authorization])).toEqual([
      ["POST", undefined],
      ["GET", basicOfBob],
    ]);
  });

  test("a registry token is sent as it is, without a token service", async () => {
    const tokens = await serveTokens();
    const { host } = await serveBearer(tokens.realm, () => "given");
    const registryToken = Buffer.from("given").toString("base64url");
    expect(await registryWith({ registryToken }).resolve(at(host))).toEqual(image.descriptor);
    expect(tokens.questions).toEqual([]);
  });

  test.each<[string, (response: ServerResponse) => unknown, string]>([
    ["refuses", (response) => sendJson(response, 401, { details: "no" }), "AUTHENTICATION_REQUIRED"],
    ["forbids", (response) => sendJson(response, 403, {}), "AUTHORIZATION_DENIED"],
    ["fails", (response) => sendJson(response, 500, {}), "REGISTRY_ERROR"],
    ["sends no JSON", (response) => response.end("<html>"), "REGISTRY_ERROR"],
    ["sends no token", (response) => sendJson(response, 200, { token: 5 }), "REGISTRY_ERROR"],
    [
      "sends a token with a line break",
      (response) => sendJson(response, 200, { token: "a\r\nX: y" }),
      "REGISTRY_ERROR",
    ],
    ["sends 2 MiB", (response) => sendJson(response, 200, { token: "x".repeat(2 ** 21) }), "CONTENT_TOO_LARGE"],
    ["redirects", (response) => response.writeHead(302, { Location: "/else" }).end(), "REGISTRY_ERROR"],
  ])("a service that %s ends the request", async (_what, answer, code) => {
    const tokens = await serveTokens({ answer: (_question, response) => void answer(response) });
    const { host } = await serveBearer(tokens.realm, pull);
    const registry = registryWith(bob, { retry: { attempts: 2, base: 1 } });
    await expect(registry.resolve(at(host))).rejects.toMatchObject({ code });
  });

  test("a service that is busy is asked again", async () => {
    let tries = 0;
    const token = Buffer.from("repository:app:pull").toString("base64url");
    const tokens = await serveTokens({
      answer: (_question, response) => sendJson(response, ++tries < 3 ? 503 : 200, { token }),
    });
    const { host } = await serveBearer(tokens.realm, pull);
    await registryWith(bob, { retry: { base: 1 } }).resolve(at(host));
    expect(tries).toBe(3);
  });

  test.each([["Bearer"], ["Bearer realm="], ['Bearer service="x"'], ["Negotiate"], [""], [", ,"], ["\u00ff"]])(
    "the challenge %j is no way in",
    async (challenge) => {
      const { host, requests } = await serve((_request, response) =>
        sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": challenge }),
      );
      await expect(registryWith(bob).resolve(at(host))).rejects.toMatchObject({ code: "AUTHENTICATION_REQUIRED" });
      expect(requests).toHaveLength(1);
    },
  );
});

describe("where credentials go", () => {
  const pull = () => "repository:app:pull";

  test("to the HTTPS realm that the registry names on another host", async () => {
    const tokens = await serveTokens({ tls: certificate() });
    const realm = tokens.realm.replace("127.0.0.1", "localhost");
    const { host } = await serveBearer(realm, pull, certificate());
    await registryWith(bob, { ca: authority.cert }).resolve(at(host));
    expect(tokens.questions[0]?.authorization).toBe(basicOfBob);
  });

  test("not to a realm without HTTPS, when the registry has it", async () => {
    const tokens = await serveTokens();
    const { host } = await serveBearer(tokens.realm, pull, certificate());
    await expect(registryWith(bob, { ca: authority.cert }).resolve(at(host))).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
    expect(tokens.questions).toEqual([]);
  });

  test.each([["ftp://host/token"], ["https://user:pw@127.0.0.1/"], ["/token"], ["http://registry.example.com/token"]])(
    "not to the realm %s",
    async (realm) => {
      const { host } = await serveBearer(realm, pull);
      await expect(registryWith(bob).resolve(at(host))).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:REGISTRY_ERROR|INSECURE_TRANSPORT_REFUSED)$/),
      });
    },
  );

  test("not to the realm of a host that the registry redirects to", async () => {
    const tokens = await serveTokens();
    const other = await serveBearer(tokens.realm, pull);
    const { host } = await serve((request, response) =>
      response.writeHead(307, { Location: `${other.origin}${request.url}` }).end(),
    );
    await expect(registryWith(bob).resolve(at(host))).rejects.toMatchObject({ code: "AUTHENTICATION_REQUIRED" });
    expect(tokens.questions).toEqual([]);
  });

  test("not to a host that the registry redirects to, but to the registry itself again", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      sendImage(request, response);
    });
    const { host } = await serve((request, response) => {
      if (request.headers.authorization !== basicOfBob)
        return sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic" });
      const isFirst = !request.url?.includes("again");
      response.writeHead(302, { Location: isFirst ? "/v2/again" : `${other.origin}/content` }).end();
    });
    expect(await registryWith(bob).resolve(at(host))).toEqual(image.descriptor);
    expect(seen).toEqual([undefined]);
  });

  test("not to another port of the same machine", async () => {
    const { host } = await serve((_request, response) =>
      sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic" }),
    );
    const seen: string[] = [];
    const credentials = {
      credentialsFor: async (registry: string) => {
        seen.push(registry);
        return undefined;
      },
    };
    await createHttpRegistry({ credentials })
      .resolve(at(host))
      .catch(() => {});
    expect(seen).toEqual([host]);
  });

  test("not over plain HTTP to another machine, even when plain HTTP was asked for", async () => {
    const proxy = await serve((request, response) => {
      expect(request.headers.authorization).toBeUndefined();
      sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic" });
    });
    const registry = registryWith(bob, { plainHttp: true, proxyEnv: { http_proxy: proxy.origin } });
    await expect(registry.resolve(at("registry.example.com"))).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test("a token service at a refused address is not asked", async () => {
    const tokens = await serveTokens();
    const realm = tokens.realm.replace("127.0.0.1", "127.0.0.2");
    const { host } = await serveBearer(realm, pull);
    const allowAddress = (address: string) => address === "127.0.0.1";
    await expect(registryWith(bob, { allowAddress }).resolve(at(host))).rejects.toMatchObject({
      code: "REGISTRY_NOT_ALLOWED",
    });
    expect(tokens.questions).toEqual([]);
  });
});
