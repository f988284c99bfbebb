import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { accessOf, type ClusterOptions } from "../../src/cluster/kube-config.ts";
import { tempDir } from "../support/process.ts";
import { fileOf, kubeconfigOf } from "./api-server.ts";

const nowhere = "/nowhere/at/all";
const secret = "s3cr3t-t0ken";
const access = (options: Partial<ClusterOptions>) =>
  accessOf({ env: {}, home: nowhere, serviceAccountFolder: nowhere, ...options });
const url = async (options: Partial<ClusterOptions>) => (await access(options)).url.href;
const headers = async (options: Partial<ClusterOptions>) => {
  const { identify } = await access(options);
  return (await identify({ anew: false })).headers;
};

/** A kubeconfig whose cluster is `https://NAME/`. */
const configFor = (name: string, more: object = {}) => kubeconfigOf({ server: `https://${name}` }, {}, more);

function pod(files: Readonly<Record<string, string>> = { token: `${secret}\n`, "ca.crt": "CA", namespace: "trust\n" }) {
  const { path, cleanup } = tempDir("pod");
  onTestFinished(cleanup);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

function homeWith(text: string): string {
  const { path, cleanup } = tempDir("home");
  onTestFinished(cleanup);
  mkdirSync(join(path, ".kube"));
  writeFileSync(join(path, ".kube", "config"), text);
  return path;
}

const inPod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" };

describe("the cluster that is named", () => {
  test("is the one of --kubeconfig before all others", async () => {
    const options = { kubeconfig: configFor("flag"), env: { KUBECONFIG: configFor("variable"), ...inPod } };
    expect(await url({ ...options, serviceAccountFolder: pod() })).toBe("https://flag/");
  });

  test("is that of KUBECONFIG before the service account", async () => {
    expect(await url({ env: { KUBECONFIG: configFor("variable"), ...inPod }, serviceAccountFolder: pod() })).toBe(
      "https://variable/",
    );
  });

  test("is that of the Pod before the home folder's, with its namespace, token and authority", async () => {
    const home = homeWith("{}");
    const found = await access({ env: inPod, serviceAccountFolder: pod(), home });
    expect(found.url.href).toBe("https://10.0.0.1:6443/");
    expect(found.namespace).toBe("trust");
    expect(await found.identify({ anew: false })).toEqual({
      headers: { Authorization: `Bearer ${secret}` },
      tls: { ca: "CA" },
    });
  });

  test("is that of a Pod with an IPv6 service", async () => {
    const env = { KUBERNETES_SERVICE_HOST: "fd00::1" };
    expect(await url({ env, serviceAccountFolder: pod() })).toBe("https://[fd00::1]/");
  });

  test("is the home folder's where a context is named, also in a Pod", async () => {
    const text = JSON.stringify({
      contexts: [{ name: "other", context: { cluster: "c" } }],
      clusters: [{ name: "c", cluster: { server: "https://home" } }],
    });
    const found = await access({ env: inPod, serviceAccountFolder: pod(), home: homeWith(text), context: "other" });
    expect([found.url.href, found.namespace]).toEqual(["https://home/", "default"]);
  });

  test("is the home folder's outside of a Pod, the home being HOME's", async () => {
    const text = JSON.stringify({
      "current-context": "one",
      contexts: [{ name: "one", context: { cluster: "c" } }],
      clusters: [{ name: "c", cluster: { server: "https://home" } }],
    });
    expect(await url({ env: { HOME: homeWith(text) }, home: undefined })).toBe("https://home/");
  });

  test("is none where there is none, and what was looked for is told", async () => {
    await expect(access({})).rejects.toMatchObject({
      code: "CLUSTER_CONFIG_INVALID",
      expected: expect.stringMatching(/--kubeconfig.*KUBECONFIG.*service account.*\.kube\/config/),
      found: expect.stringContaining("/nowhere/at/all/.kube/config"),
    });
  });

  test("is none where a Pod has a token without an authority", async () => {
    const found = await access({ env: inPod, serviceAccountFolder: pod({ token: secret }) });
    await expect(found.identify({ anew: false })).rejects.toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
  });
});

describe("several files in KUBECONFIG", () => {
  const listed = (...files: string[]) => ({ env: { KUBECONFIG: files.join(delimiter) } });

  test("are one, and of what they all say the first counts", async () => {
    const first = fileOf(
      "first",
      JSON.stringify({ clusters: [{ name: "there", cluster: { server: "https://first" } }] }),
    );
    const found = await access(listed(first, configFor("second"), configFor("third", { "current-context": "none" })));
    expect([found.url.href, found.namespace]).toEqual(["https://first/", "prod"]);
  });

  test("may be missing, but not all of them", async () => {
    expect(await url(listed(nowhere, configFor("there")))).toBe("https://there/");
    await expect(access(listed(nowhere))).rejects.toMatchObject({ code: "CLUSTER_CONFIG_INVALID", found: nowhere });
  });

  test("have paths relative to themselves", async () => {
    const file = kubeconfigOf(
      { server: "https://there", "certificate-authority": "ca.pem" },
      { tokenFile: "sub/token" },
    );
    mkdirSync(join(dirname(file), "sub"));
    writeFileSync(join(dirname(file), "ca.pem"), "the CA");
    writeFileSync(join(dirname(file), "sub", "token"), `${secret}\n`);
    const { identify } = await access(listed(file));
    expect(await identify({ anew: false })).toMatchObject({
      headers: { Authorization: `Bearer ${secret}` },
      tls: { ca: "the CA" },
    });
  });
});

describe("what is no kubeconfig", () => {
  test.each([
    ["does not exist", undefined],
    ["is no YAML", `users: [{ name: a, user: { token: ${secret}`],
    ["is YAML with a tab", `users:\n\t- ${secret}`],
    ["is a text", secret],
    ["is a list", `[${secret}]`],
    ["is of another kind", `kind: Secret\ndata: { a: ${secret} }`],
    ["has a bomb of aliases", `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(30)}]\nc: [${"*b,".repeat(30)}]`],
    ["has contexts that are no list", "contexts: {}"],
    ["has a context without a name", "contexts: [{ context: {} }]"],
    ["has a cluster that is no object", "clusters: [{ name: a, cluster: b }]"],
    ["does not say which context", "contexts: []"],
    ["has no such context", "current-context: a"],
    ["names no cluster", "{ current-context: a, contexts: [{ name: a }] }"],
    ["has no such cluster", "{ current-context: a, contexts: [{ name: a, context: { cluster: b } }] }"],
  ])("%s: is refused, without anything that is in it", async (_, text) => {
    const kubeconfig = text === undefined ? nowhere : fileOf("config", text);
    const error = await access({ kubeconfig }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "CLUSTER_CONFIG_INVALID", message: expect.stringContaining(kubeconfig) });
    expect(shownAll(error)).not.toContain(secret);
  });

  test.skipIf(!existsSync("/dev/zero"))("is read no further than a kubeconfig can be", async () => {
    await expect(access({ kubeconfig: "/dev/zero" })).rejects.toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
  });

  test("has no such context: the ones it has are told", async () => {
    await expect(access({ kubeconfig: configFor("a"), context: "two" })).rejects.toMatchObject({
      code: "CLUSTER_CONFIG_INVALID",
      expected: "one of one",
    });
  });

  test.each([
    ["none", undefined],
    ["a number", 1],
    ["another protocol", "ftp://host"],
    ["a password", `https://user:${secret}@host`],
    ["a query", `https://host?token=${secret}`],
  ])("names %s as its server", async (_, server) => {
    const error = await access({ kubeconfig: kubeconfigOf({ server }) }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
    expect(shownAll(error)).not.toContain(secret);
  });
});

describe("a server that could be anybody", () => {
  test("is refused over plain HTTP", async () => {
    await expect(access({ kubeconfig: kubeconfigOf({ server: "http://10.0.0.1:8080" }) })).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
  });

  test("is spoken to over plain HTTP on this machine, without any credentials", async () => {
    const kubeconfig = kubeconfigOf({ server: "http://127.0.0.1:8001" }, { token: secret });
    expect(await url({ kubeconfig })).toBe("http://127.0.0.1:8001/");
    expect(await headers({ kubeconfig })).toEqual({});
  });

  test.each([true, "true", 1])("is refused with insecure-skip-tls-verify: %j", async (value) => {
    const kubeconfig = kubeconfigOf({ server: "https://there", "insecure-skip-tls-verify": value });
    await expect(access({ kubeconfig })).rejects.toMatchObject({
      code: "CLUSTER_CONFIG_INVALID",
      expected: "certificate-authority-data",
    });
  });
});

describe("the proxy", () => {
  const env = { HTTPS_PROXY: "http://proxy:3128", no_proxy: "internal" };
  test("is that of the environment", async () => {
    expect((await access({ kubeconfig: configFor("there"), env })).proxy).toEqual(env);
  });

  test("is that of the cluster before it", async () => {
    const kubeconfig = kubeconfigOf({ server: "https://there", "proxy-url": "http://other:1" });
    expect((await access({ kubeconfig, env })).proxy).toMatchObject({ HTTPS_PROXY: "http://other:1" });
  });

  test("is none to this machine", async () => {
    expect((await access({ kubeconfig: kubeconfigOf({ server: "https://127.0.0.1:6443" }), env })).proxy).toEqual({});
  });

  test.each([
    ["10.96.0.1", "internal, 10.96.0.0/12", true],
    ["10.112.0.1", "10.96.0.0/12", false],
    ["[fd00::1]", "10.0.0.0/8,fd00::/8", true],
    ["10.96.0.1", "10.96.0.0/99,fd00::/8,x/8", false],
    ["api.example", "0.0.0.0/0", false],
  ])("is none to %s where NO_PROXY has %s: %s", async (host, noProxy, none) => {
    const options = { env: { HTTPS_PROXY: "http://proxy:1", NO_PROXY: noProxy } };
    const { proxy } = await access({ ...options, kubeconfig: kubeconfigOf({ server: `https://${host}:6443` }) });
    expect(Object.keys(proxy).length === 0).toBe(none);
  });

  test("of a kind that is not spoken is refused", async () => {
    const kubeconfig = kubeconfigOf({ server: "https://there", "proxy-url": "socks5://other:1" });
    await expect(access({ kubeconfig })).rejects.toMatchObject({ code: "CLUSTER_CONFIG_INVALID" });
  });
});

function shownAll(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { expected, found, hint } = error as { expected?: string; found?: string; hint?: string };
  return [error.message, expected, found, hint, error.stack, String(error.cause)].join(" ");
}
