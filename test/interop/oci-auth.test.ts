import bcrypt from "bcryptjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpRegistry, type HttpRegistryOptions } from "../../src/oci/http-registry.ts";
import { checkLogin } from "../../src/oci/login.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import type { RequestEvent } from "../../src/oci/transport.ts";
import { makeImage, push } from "../oci/artifacts.ts";
import { createAuthority, type TestAuthority } from "../oci/tls.ts";
import { describePeers, type RunningRegistry, startDockerRegistry } from "../support/peers.ts";

const bob = { username: "bob", password: "secret" };
const image = makeImage("guarded");

describePeers(["docker-registry"], "docker-registry 2.8.3 with TLS and a user", () => {
  let running: RunningRegistry;
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = createAuthority();
    const tls = authority.issue("localhost", ["localhost", "127.0.0.1"]);
    running = await startDockerRegistry({ tls, htpasswd: `bob:${bcrypt.hashSync("secret", 5)}\n` });
  });
  afterAll(() => running.stop());

  const registryWith = (password: string | undefined, more: HttpRegistryOptions = {}) => {
    const credential = password === undefined ? undefined : { username: "bob", password };
    const credentials = { credentialsFor: async () => credential };
    return createHttpRegistry({ credentials, ca: authority.cert, ...more });
  };

  test("takes a push and gives it back, after one 401", async () => {
    const events: RequestEvent[] = [];
    const registry = registryWith("secret", { onRequest: (event) => events.push(event) });
    await push(registry, parseRepository(`${running.host}/app`), image, "v1");
    expect(await registry.resolve(parseReference(`${running.host}/app:v1`))).toEqual(image.descriptor);
    expect(events.filter(({ status }) => status === 401)).toHaveLength(1);
    registry.close();
  });

  test("is not let in without, and not with a wrong password", async () => {
    for (const password of [undefined, "wrong"])
      await expect(registryWith(password).resolve(parseReference(`${running.host}/app:v1`))).rejects.toMatchObject({
        code: "AUTHENTICATION_REQUIRED",
      });
  });

  test("is not trusted without its authority", async () => {
    await expect(
      registryWith("secret", { ca: undefined }).resolve(parseReference(`${running.host}/app:v1`)),
    ).rejects.toMatchObject({ code: "TLS_FAILED" });
  });

  test("answers a login", async () => {
    expect(await checkLogin(running.host, bob, { ca: authority.cert })).toBe("accepted");
    await expect(checkLogin(running.host, { ...bob, password: "x" }, { ca: authority.cert })).rejects.toMatchObject({
      code: "AUTHENTICATION_REQUIRED",
    });
  });
});
