import { describe, expect, test } from "vitest";
import { checkLogin } from "../../src/oci/login.ts";
import { sendError, sendJson, serve } from "./server.ts";

const bob = { username: "bob", password: "secret" };
const basicOfBob = `Basic ${Buffer.from("bob:secret").toString("base64")}`;

describe("a login", () => {
  test("is accepted by a registry that wants a user and password", async () => {
    const { host, requests } = await serve((request, response) =>
      request.headers.authorization === basicOfBob
        ? response.end()
        : sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="x"' }),
    );
    expect(await checkLogin(host, bob)).toBe("accepted");
    expect(requests).toEqual(["GET /v2/", "GET /v2/"]);
    const error = await checkLogin(host, { ...bob, password: "wrong!" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "AUTHENTICATION_REQUIRED", category: "config" });
    expect(String(error) + JSON.stringify(error)).not.toContain("wrong!");
  });

  test("is accepted by a registry that wants a token", async () => {
    const { origin } = await serve((request, response) =>
      request.headers.authorization === basicOfBob
        ? sendJson(response, 200, { token: "granted" })
        : sendJson(response, 401, {}),
    );
    const { host } = await serve((request, response) =>
      request.headers.authorization === "Bearer granted"
        ? response.end()
        : sendError(response, 401, "UNAUTHORIZED", {
            "WWW-Authenticate": `Bearer realm="${origin}/token",service="x"`,
          }),
    );
    expect(await checkLogin(host, bob)).toBe("accepted");
    await expect(checkLogin(host, { ...bob, password: "wrong" })).rejects.toMatchObject({
      code: "AUTHENTICATION_REQUIRED",
    });
  });

  test("at a registry that lets everybody in says that nobody asked", async () => {
    const { host } = await serve((_request, response) => response.end());
    expect(await checkLogin(host, bob)).toBe("not-asked");
  });

  test("at what is no registry, or not there, fails", async () => {
    const { host, stop } = await serve((_request, response) => response.writeHead(404).end());
    await expect(checkLogin(host, bob)).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    await stop();
    await expect(checkLogin(host, bob)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });
});
