import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { accessOf, openCluster } from "../../src/cluster/kube-config.ts";
import { tempDir } from "../support/process.ts";
import { configMaps, kubeconfigOf } from "./api-server.ts";

const secret = "s3cr3t-t0ken";
const pem = (what: string) => `-----BEGIN CERTIFICATE-----\n${what}\n-----END CERTIFICATE-----\n`;
const base64 = (text: string) => Buffer.from(text).toString("base64");

const identifierOf = async (user: object, cluster: object = {}) => {
  const kubeconfig = kubeconfigOf({ server: "https://there", ...cluster }, user);
  const { identify } = await accessOf({ kubeconfig, env: { PATH: "/usr/bin:/bin" } });
  return { identify, folder: dirname(kubeconfig) };
};
const identityOf = async (user: object, cluster: object = {}) =>
  (await identifierOf(user, cluster)).identify({ anew: false });

describe("who asks", () => {
  test.each<[string, object, object]>([
    ["a token", { token: secret }, { Authorization: `Bearer ${secret}` }],
    ["a name and a password", { username: "me", password: "p:w" }, { Authorization: `Basic ${base64("me:p:w")}` }],
    ["nobody", {}, {}],
    [
      "somebody who acts as another",
      { token: secret, as: "other", "as-groups": ["a", "b"] },
      { Authorization: `Bearer ${secret}`, "Impersonate-User": "other", "Impersonate-Group": ["a", "b"] },
    ],
  ])("is %s", async (_, user, headers) => {
    expect((await identityOf(user)).headers).toEqual(headers);
  });

  test("is a certificate with its key, out of the kubeconfig before files", async () => {
    const user = {
      "client-certificate-data": base64(pem("c")),
      "client-key-data": base64(pem("k")),
      "client-key": "no",
    };
    const cluster = { "certificate-authority-data": base64(pem("a")), "tls-server-name": "kubernetes" };
    expect(await identityOf(user, cluster)).toEqual({
      headers: {},
      tls: { ca: pem("a"), cert: pem("c"), key: pem("k"), servername: "kubernetes" },
    });
  });

  test.each<[string, object, object]>([
    ["a token with a line in it", { token: `${secret}\r\nX: y` }, {}],
    ["a token that is no text", { token: 7 }, {}],
    ["a file that is missing", { tokenFile: "none" }, {}],
    ["a certificate that is none", { "client-certificate-data": base64("none") }, {}],
    ["an authority that is none", {}, { "certificate-authority-data": secret }],
    ["an authority whose file is missing", {}, { "certificate-authority": "none.pem" }],
    ["words of acting as another that are not sent", { as: "other", "as-uid": "7" }, {}],
    ["groups that are no list", { as: "other", "as-groups": "admins" }, {}],
    ["a provider of old", { "auth-provider": { name: "gcp", config: { "access-token": secret } } }, {}],
    ["a program without a name", { exec: { args: [secret] } }, {}],
    ["a program that is not there", { exec: { command: "trust-test-no-such-program", args: [secret] } }, {}],
    ["a program that fails", { exec: { command: "sh", args: ["-c", `echo ${secret} >&2; exit 3`] } }, {}],
    ["a program that says nothing", { exec: { command: "true" } }, {}],
    ["a program without credentials", { exec: { command: "echo", args: ['{"status":{}}'] } }, {}],
  ])("is refused with %s, which is not shown", async (_, user, cluster) => {
    const error = await identityOf(user, cluster).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
    const { message, expected, found, stack, cause } = error as Error & { expected?: string; found?: string };
    expect([message, expected, found, stack, String(cause)].join(" ")).not.toContain(secret);
  });
});

describe("files and programs", () => {
  test("are looked at again when the server no longer accepts what they said", async () => {
    const { identify, folder } = await identifierOf({ tokenFile: "token" });
    const token = async (anew: boolean) => (await identify({ anew })).headers["Authorization"];
    writeFileSync(join(folder, "token"), "one");
    expect(await token(false)).toBe("Bearer one");
    writeFileSync(join(folder, "token"), "two");
    expect(await token(false)).toBe("Bearer one");
    expect(await token(true)).toBe("Bearer two");
    expect(await token(false)).toBe("Bearer two");
  });

  test("that failed are looked at again the next time", async () => {
    const { identify, folder } = await identifierOf({ tokenFile: "token" });
    await expect(identify({ anew: false })).rejects.toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
    writeFileSync(join(folder, "token"), "one");
    expect((await identify({ anew: false })).headers).toEqual({ Authorization: "Bearer one" });
  });

  test("a program beside the kubeconfig is run once for all who wait, told what it is for, and again after a refusal", async () => {
    const { path, cleanup } = tempDir("plugin");
    onTestFinished(cleanup);
    const calls = join(path, "calls");
    const { identify, folder } = await identifierOf(
      {
        exec: {
          apiVersion: "client.authentication.k8s.io/v1",
          command: "./plugin.sh",
          args: ["get"],
          env: [{ name: "CALLS", value: calls }],
          provideClusterInfo: true,
        },
      },
      { "certificate-authority-data": base64(pem("a")) },
    );
    const answer = JSON.stringify({ status: { token: secret } });
    const script = `#!/bin/sh\nprintf '%s\\n' "$1 $KUBERNETES_EXEC_INFO" >> "$CALLS"\nprintf '%s' '${answer}'\n`;
    writeFileSync(join(folder, "plugin.sh"), script);
    chmodSync(join(folder, "plugin.sh"), 0o755);
    const both = await Promise.all([identify({ anew: false }), identify({ anew: false })]);
    expect(both.map(({ headers }) => headers["Authorization"])).toEqual([`Bearer ${secret}`, `Bearer ${secret}`]);
    const called = () => readFileSync(calls, "utf8").trim().split("\n");
    expect(called()).toHaveLength(1);
    const [, info = ""] = called()[0]?.match(/^get (.*)$/) ?? [];
    expect(JSON.parse(info)).toEqual({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      spec: {
        interactive: false,
        cluster: { server: "https://there", "certificate-authority-data": base64(pem("a")) },
      },
    });
    await identify({ anew: true });
    expect(called()).toHaveLength(2);
  });

  test("a program may give a certificate", async () => {
    const status = { clientCertificateData: pem("c"), clientKeyData: pem("k") };
    const user = { exec: { command: "echo", args: [JSON.stringify({ status })] } };
    expect(await identityOf(user)).toMatchObject({ headers: {}, tls: { cert: pem("c"), key: pem("k") } });
  });

  test("a provider of identity tokens gives the one it has", async () => {
    const claims = base64(JSON.stringify({ exp: Math.floor(Date.now() / 1_000) + 600 }));
    const token = `${base64("{}")}.${claims}.x`.replaceAll("=", "");
    const user = { "auth-provider": { name: "oidc", config: { "id-token": token } } };
    expect((await identityOf(user)).headers).toEqual({ Authorization: `Bearer ${token}` });
  });
});

describe("credentials that cannot be sent", () => {
  test.each<[string, object]>([
    ["a name of somebody else with a line in it", { token: secret, as: `a\r\nX: ${secret}` }],
    ["a group with a line in it", { token: secret, as: "a", "as-groups": [`a\r\nX: ${secret}`] }],
    ["a certificate that cannot be read", { "client-certificate-data": base64(pem(secret)) }],
  ])("are a mistake of the configuration, and are not told: %s", async (_, user) => {
    const key = { "client-key-data": base64(pem(secret)) };
    const kubeconfig = kubeconfigOf({ server: "https://127.0.0.1:1" }, { ...user, ...key });
    const cluster = await openCluster({ kubeconfig, env: {} });
    onTestFinished(() => cluster.close());
    const error: unknown = await cluster.list(configMaps).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
    expect(JSON.stringify([error, String(error), (error as Error).message])).not.toContain(secret);
  });
});
