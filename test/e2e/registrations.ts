/** Where the webhook is and whom to trust there. */
export interface WebhookAddress {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
}

/** In a namespace with this label, set to `unchecked`, only Pods are checked, no Deployments and the like. */
export const templatesLabel = "e2e.imagetrust.dev/templates";

const operations = ["CREATE", "UPDATE"];
const pods = [{ apiGroups: [""], apiVersions: ["v1"], operations, resources: ["pods", "pods/ephemeralcontainers"] }];
const templates = [
  { apiGroups: [""], apiVersions: ["v1"], operations, resources: ["replicationcontrollers", "podtemplates"] },
  {
    apiGroups: ["apps"],
    apiVersions: ["v1"],
    operations,
    resources: ["deployments", "replicasets", "statefulsets", "daemonsets"],
  },
  { apiGroups: ["batch"], apiVersions: ["v1"], operations, resources: ["jobs", "cronjobs"] },
];
const unlessUnchecked = { matchExpressions: [{ key: templatesLabel, operator: "NotIn", values: ["unchecked"] }] };

/** What an administrator registers, so that every workload is checked and pinned; all of it fails closed. */
export function workloadWebhooks(address: WebhookAddress): readonly object[] {
  const both = (route: string) => [
    webhook("pods.imagetrust.dev", address, route, pods),
    { ...webhook("templates.imagetrust.dev", address, route, templates), namespaceSelector: unlessUnchecked },
  ];
  return [configuration("Mutating", "trust", both("/mutate")), configuration("Validating", "trust", both("/validate"))];
}

/** The same for policies, as in docs/policy.md. */
export function policyWebhook(address: WebhookAddress): object {
  const rules = [
    { apiGroups: ["imagetrust.dev", "policy.sigstore.dev"], apiVersions: ["*"], operations, resources: ["*"] },
  ];
  return configuration("Validating", "trust-policies", [
    webhook("policies.imagetrust.dev", address, "/validate-policy", rules),
  ]);
}

function webhook(name: string, { url, ca }: WebhookAddress, route: string, rules: readonly object[]): object {
  return {
    name,
    admissionReviewVersions: ["v1"],
    sideEffects: "None",
    failurePolicy: "Fail",
    timeoutSeconds: 10,
    clientConfig: { url: `${url}${route}`, caBundle: Buffer.from(ca).toString("base64") },
    rules,
  };
}

function configuration(kind: "Mutating" | "Validating", name: string, webhooks: readonly object[]): object {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: `${kind}WebhookConfiguration`,
    metadata: { name },
    webhooks,
  };
}
