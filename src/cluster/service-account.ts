import { join } from "node:path";
import type { Access, Identity } from "./access.ts";
import { readText, readTextIfThere } from "./files.ts";
import { configInvalid } from "./kube-config-file.ts";
import { proxiesFor } from "./proxies.ts";
import { renewed } from "./renewed.ts";

const usualFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The cluster that this program runs in, as the service account of its Pod; undefined where it runs in none. The token and
 * the authority are read again and again, as the cluster renews them. Throws `CLUSTER_CONFIG_INVALID`.
 */
export async function findServiceAccount(
  env: Readonly<Record<string, string | undefined>>,
  folder = usualFolder,
): Promise<Access | undefined> {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const tokenFile = join(folder, "token");
  if (host === "" || (await readTextIfThere(tokenFile, "the token")) === undefined) return undefined;
  const url = URL.parse(
    `https://${host.includes(":") ? `[${host}]` : host}:${env["KUBERNETES_SERVICE_PORT"] || "443"}`,
  );
  if (url === null)
    throw configInvalid("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no server", "a host and a port");
  const namespace = await readTextIfThere(join(folder, "namespace"), "the namespace");
  return {
    url,
    namespace: namespace?.trim() || "default",
    proxy: proxiesFor(url, undefined, env, "the environment"),
    identify: renewed(() => readIdentity(folder, tokenFile)),
  };
}

async function readIdentity(folder: string, tokenFile: string): Promise<Identity> {
  const token = (await readText(tokenFile, "the token")).trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw configInvalid(`${tokenFile} holds no token`, "a token");
  const ca = await readText(join(folder, "ca.crt"), "the certificate authority");
  return { headers: { Authorization: `Bearer ${token}` }, tls: { ca } };
}
