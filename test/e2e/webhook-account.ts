import { readFileSync, writeFileSync } from "node:fs";
import type { Kubernetes } from "../support/kubernetes.ts";
import { projectFile } from "./stage.ts";

const groups = ["system:serviceaccounts", "system:serviceaccounts:trust-system", "system:authenticated"];

/** A kubeconfig of the service account, whose namespace is that of the webhook. */
export function webhookAccount(cluster: Kubernetes): string {
  const path = cluster.kubeconfigFor("system:serviceaccount:trust-system:trust-webhook", groups);
  const config = JSON.parse(readFileSync(path, "utf8"));
  config.contexts[0].context.namespace = "trust-system";
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** The rights that the documentation gives the webhook, as manifests: those that it always needs, or those for its state. */
export function documentedRights(what: "always" | "state" = "always"): string {
  const blocks = [...projectFile("docs/cluster.md").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  const found = blocks.find((text) => text.includes(what === "state" ? "name: trust-state" : "kind: ServiceAccount"));
  if (found === undefined) throw new Error("the documentation names no rights");
  return found;
}
