import { afterEach, describe, expect, it } from "vitest";
import { fulcioSigner } from "../../src/keys/fulcio.ts";
import { readIdentityToken } from "../../src/keys/identity-token.ts";
import { createServiceClient } from "../../src/oci/service.ts";
import { type Handler, type Service, startService } from "../support/sigstore/service.ts";
import { createTokenIssuer } from "../support/sigstore/tokens.ts";

const now = Date.now;
const client = createServiceClient({ retry: { attempts: 1 } });
const token = createTokenIssuer().issue({ iss: "https://issuer.example", sub: "me", exp: now() / 1000 + 600 });
const services: Service[] = [];
const serve = async (handler: Handler) => {
  const service = await startService(handler);
  services.push(service);
  return service;
};
const certificateFrom = async (url: string) => {
  const signer = await fulcioSigner({
    url,
    client,
    now,
    token: async () => readIdentityToken(token, now()),
    issuersOf: async () => [],
  });
  const said = await signer.certificate?.().then(String, (error: Error) => error);
  return said as Error & { code?: string };
};

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});

describe("a certificate authority", () => {
  it.each([301, 302, 303, 307, 308])("that redirects with %i has the token told to nobody else", async (status) => {
    const asked: string[] = [];
    const other = await serve(async ({ path, body }) => {
      asked.push(`${path} ${body.toString()}`);
      return { status: 200, body: {} };
    });
    const authority = await serve(async () => ({ status, headers: { Location: `${other.url}/leak` }, body: {} }));
    expect(await certificateFrom(authority.url)).toMatchObject({ code: "SIGNING_SERVICE_REFUSED" });
    expect(asked).toEqual([]);
  });

  it("that refuses is told by what it says, without the token", async () => {
    const authority = await serve(async () => ({ status: 400, body: { message: `no certificate for ${token}` } }));
    const error = await certificateFrom(authority.url);
    expect(error).toMatchObject({ code: "SIGNING_SERVICE_REFUSED", found: "(400) no certificate for [token]" });
  });

  it.each<[string, Handler, string]>([
    ["fails", async () => ({ status: 503, body: { message: token } }), "SIGNING_SERVICE_UNAVAILABLE"],
    ["answers something else", async () => ({ status: 200, body: `<html>${token}` }), "SIGNING_SERVICE_UNAVAILABLE"],
    ["answers no certificate", async () => ({ status: 200, body: { [token]: 1 } }), "SIGNING_SERVICE_UNAVAILABLE"],
    ["answers without end", async () => ({ status: 200, body: "a".repeat(2 ** 22) }), "SIGNING_SERVICE_UNAVAILABLE"],
  ])("that %s is told as one", async (_what, handler, code) => {
    const error = await certificateFrom((await serve(handler)).url);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify([error.message, error]) + String(error.cause)).not.toContain(token.split(".")[1]);
  });
});
