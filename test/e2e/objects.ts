/** An object as `kubectl apply` takes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [key: string]: unknown;
}

/** A Pod specification of one container. */
export const podSpec = (image: string) => ({ containers: [{ name: "app", image }] });

const labelsOf = (name: string) => ({ app: name });

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Manifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

export function pod(name: string, namespace: string, image: string): Manifest {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, labels: labelsOf(name) }, spec: podSpec(image) };
}

export function deployment(name: string, namespace: string, image: string, replicas: number): Manifest {
  const matchLabels = labelsOf(name);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels },
      template: { metadata: { labels: matchLabels }, spec: podSpec(image) },
    },
  };
}

/** Every minute, but no second Job while there is one. */
export function cronJob(name: string, namespace: string, image: string): Manifest {
  const template = { metadata: { labels: labelsOf(name) }, spec: { ...podSpec(image), restartPolicy: "Never" } };
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name, namespace },
    spec: { schedule: "* * * * *", concurrencyPolicy: "Forbid", jobTemplate: { spec: { template } } },
  };
}

/** A policy that trusts that key (PEM) for those images; further fields of its `spec` over it. */
export function clusterPolicy(name: string, glob: string, key: string, spec: object = {}): Manifest {
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "ClusterTrustPolicy",
    metadata: { name },
    spec: { images: [{ glob }], authorities: [{ name: "release", key: { data: key } }], ...spec },
  };
}
