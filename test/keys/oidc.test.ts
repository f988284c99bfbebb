import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type SignIn, signInteractively } from "../../src/keys/oidc.ts";
import { listenForCode } from "../../src/keys/oidc-redirect.ts";
import { createServiceClient } from "../../src/oci/service.ts";
import { codeOfRejection } from "../support/errors.ts";
import { oidcIssuer } from "../support/sigstore/issuer.ts";
import { type Answer, type Handler, type Service, startService } from "../support/sigstore/service.ts";
import { createTokenIssuer } from "../support/sigstore/tokens.ts";

const client = createServiceClient({ retry: { attempts: 1 } });
const services: Service[] = [];
const tokens = createTokenIssuer();

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});
afterAll(() => client.close());

/** An identity provider; `change` puts another answer in place of its own. */
async function provider(change: (path: string, answer: Answer | undefined) => Answer | undefined = (_, same) => same) {
  let url = "";
  const exp = Math.floor(Date.now() / 1000) + 600;
  const issue: Handler = oidcIssuer({ tokens, url: () => url, claims: () => ({ iss: url, sub: "someone", exp }) });
  const service = await startService(async (question) => change(question.path, await issue(question)));
  services.push(service);
  url = service.url;
  return service;
}

const follow = async (url: string) => (await fetch(url)).ok;

async function signIn(flow: "browser" | "device", issuer: string, more: Partial<SignIn> = {}) {
  const told: string[] = [];
  const person: SignIn = {
    issuer,
    clientId: "sigstore",
    client,
    tell: (text) => void told.push(text),
    openBrowser: follow,
    ...more,
  };
  return { told, token: await signInteractively(flow, person) };
}

const refused = (flow: "browser" | "device", issuer: string, more: Partial<SignIn> = {}) =>
  codeOfRejection(signIn(flow, issuer, more));

describe("signing in with a browser", () => {
  it("gives a token for this sign-in, and says where to sign in", async () => {
    const { url } = await provider();
    const { told, token } = await signIn("browser", url);
    expect(token.split(".")).toHaveLength(3);
    expect(told.join()).toContain(`${url}/auth?`);
    expect(told.join()).toContain("code_challenge_method=S256");
  });

  it("works where the browser cannot be opened, and the person goes there", async () => {
    const { url } = await provider();
    const tell = (text: string) => void follow(/https?:\S+\/auth\S+/.exec(text)?.[0] ?? "");
    expect((await signIn("browser", url, { tell, openBrowser: async () => false })).token).toContain(".");
  });

  it("refuses a token that was made for another sign-in", async () => {
    const other = tokens.issue({ sub: "someone", nonce: "another", exp: 9_999_999_999 });
    const { url } = await provider((path, answer) =>
      path === "/token" ? { status: 200, body: { id_token: other } } : answer,
    );
    expect(await refused("browser", url)).toBe("SIGNING_SERVICE_REFUSED");
  });

  it("ends where the provider says no", async () => {
    const { url } = await provider();
    const openBrowser = async (page: string) => {
      const { searchParams: query } = new URL(page);
      return follow(`${query.get("redirect_uri")}?error=access_denied&state=${query.get("state")}`);
    };
    expect(await refused("browser", url, { openBrowser })).toBe("SIGNING_SERVICE_REFUSED");
  });

  it("is not moved by whoever does not know its state", async () => {
    await using redirect = await listenForCode("the-state", 60_000, undefined);
    for (const query of ["code=forged", "code=forged&state=", "code=forged&state=the-stat", "error=x&state=y"])
      expect((await fetch(`${redirect.uri}?${query}`)).status).toBe(400);
    expect((await fetch(`${redirect.uri}?code=own&state=the-state`, { method: "POST" })).status).toBe(400);
    expect((await fetch(`${redirect.uri}?code=own&state=the-state`)).status).toBe(200);
    expect(await redirect.code()).toBe("own");
  });

  it("ends when nobody signs in, or the person gives up", async () => {
    await using impatient = await listenForCode("state", 10, undefined);
    expect(await codeOfRejection(impatient.code())).toBe("SIGNING_SERVICE_REFUSED");
    const { url } = await provider();
    const signal = AbortSignal.timeout(50);
    const nobody = async () => true;
    expect(await refused("browser", url, { signal, openBrowser: nobody })).toBe("DEADLINE_EXCEEDED");
  });
});

describe("signing in with a code", () => {
  it("shows the code, and waits as long as it is told to", async () => {
    const { url } = await provider();
    const { told, token } = await signIn("device", url);
    expect(told.join()).toContain("ABCD-EFGH");
    expect(token.split(".")).toHaveLength(3);
  });

  it.each(["access_denied", "expired_token"])("ends with %s", async (error) => {
    const { url } = await provider((path, answer) => (path === "/token" ? { status: 400, body: { error } } : answer));
    expect(await refused("device", url)).toBe("SIGNING_SERVICE_REFUSED");
  });

  it("asks again while the person has not signed in", async () => {
    let asked = 0;
    const { url } = await provider((path, answer) =>
      path === "/token" && ++asked === 1 ? { status: 400, body: { error: "authorization_pending" } } : answer,
    );
    expect((await signIn("device", url)).token).toContain(".");
    expect(asked).toBe(2);
  });
});

describe("an identity provider", () => {
  const changed = (change: (document: Record<string, unknown>) => object) =>
    provider((path, answer) =>
      path === "/.well-known/openid-configuration" && answer !== undefined
        ? { ...answer, body: change(answer.body as Record<string, unknown>) }
        : answer,
    );

  it.each([
    ["of another name", { issuer: "https://issuer.example.com" }, "SIGNING_SERVICE_REFUSED"],
    ["without a token endpoint", { token_endpoint: undefined }, "SIGNING_SERVICE_REFUSED"],
    [
      "that sends secrets to another machine",
      { token_endpoint: "http://x.example.com/" },
      "INSECURE_TRANSPORT_REFUSED",
    ],
  ])("%s is refused", async (_case, change, code) => {
    const { url } = await changed((document) => ({ ...document, ...change }));
    expect(await refused("browser", url)).toBe(code);
    expect(await refused("device", url)).toBe(code);
  });

  it("that cannot do what is wanted says so", async () => {
    const { url } = await changed(({ device_authorization_endpoint: _, ...document }) => document);
    expect(await refused("device", url)).toBe("SIGNING_SERVICE_REFUSED");
  });

  it("that is down is said to be down", async () => {
    const service = await provider();
    service.trouble = { kind: "answer", answer: { status: 503, body: "" } };
    expect(await refused("browser", service.url)).toBe("SIGNING_SERVICE_UNAVAILABLE");
  });
});
