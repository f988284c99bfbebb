/** Builders of what a Kubernetes API server sends to an admission webhook. */

export interface ReviewOptions {
  readonly uid?: string;
  readonly operation?: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly object?: KubeObject | null;
  readonly oldObject?: KubeObject | null;
  readonly subResource?: string;
  readonly namespace?: string;
  readonly user?: { readonly username: string; readonly groups: readonly string[] };
  readonly dryRun?: boolean;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

interface KindRow {
  readonly apiVersion: string;
  readonly resource: string;
  /** Puts a Pod specification where the kind has it. */
  wrap(podSpec: unknown): Record<string, unknown>;
}

const inTemplate = (podSpec: unknown) => ({ spec: { template: { metadata: {}, spec: podSpec } } });

/** Every kind with a Pod specification. */
export const kinds: Readonly<Record<string, KindRow>> = {
  Pod: { apiVersion: "v1", resource: "pods", wrap: (podSpec) => ({ spec: podSpec }) },
  ReplicationController: { apiVersion: "v1", resource: "replicationcontrollers", wrap: inTemplate },
  PodTemplate: { apiVersion: "v1", resource: "podtemplates", wrap: (podSpec) => ({ template: { spec: podSpec } }) },
  Deployment: { apiVersion: "apps/v1", resource: "deployments", wrap: inTemplate },
  ReplicaSet: { apiVersion: "apps/v1", resource: "replicasets", wrap: inTemplate },
  StatefulSet: { apiVersion: "apps/v1", resource: "statefulsets", wrap: inTemplate },
  DaemonSet: { apiVersion: "apps/v1", resource: "daemonsets", wrap: inTemplate },
  Job: { apiVersion: "batch/v1", resource: "jobs", wrap: inTemplate },
  CronJob: {
    apiVersion: "batch/v1",
    resource: "cronjobs",
    wrap: (podSpec) => ({ spec: { schedule: "* * * * *", jobTemplate: inTemplate(podSpec) } }),
  },
};

/** A Pod specification whose containers run these images. */
export function podSpec(...images: readonly string[]): Record<string, unknown> {
  return { containers: images.map((image, index) => ({ name: `c${index}`, image })) };
}

/** An object of that kind around a Pod specification, in namespace `prod`. */
export function workload(kind: string, spec: unknown, metadata: Record<string, unknown> = {}): KubeObject {
  const row = rowOf(kind);
  return {
    apiVersion: row.apiVersion,
    kind,
    metadata: { name: "app", namespace: "prod", ...metadata },
    ...row.wrap(spec),
  };
}

/** A Pod in namespace `prod` that runs these images. */
export function pod(...images: readonly string[]): KubeObject {
  return workload("Pod", podSpec(...images));
}

/** The AdmissionReview for an object; CREATE by an ordinary user where nothing else is said. */
export function admissionReview(object: KubeObject, options: ReviewOptions = {}): Record<string, unknown> {
  const { operation = "CREATE", uid = "705ab4f5-6393-11e8-b7cc-42010a800002", subResource } = options;
  const [version = "", group = ""] = object.apiVersion.split("/").toReversed();
  const resource = { group, version, resource: kinds[object.kind]?.resource ?? `${object.kind.toLowerCase()}s` };
  const kind = { group, version, kind: object.kind };
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid,
      kind,
      resource,
      ...(subResource === undefined ? {} : { subResource }),
      requestKind: kind,
      requestResource: resource,
      name: object.metadata.name,
      namespace: options.namespace ?? "prod",
      operation,
      userInfo: options.user ?? { username: "alice", uid: "1000", groups: ["developers", "system:authenticated"] },
      object: operation === "DELETE" ? null : (options.object ?? object),
      oldObject: options.oldObject ?? null,
      dryRun: options.dryRun ?? false,
      options: { kind: "CreateOptions", apiVersion: "meta.k8s.io/v1" },
    },
  };
}

/** What a webhook answered; the parts that tests look at. */
export interface ReviewAnswer {
  readonly apiVersion: string;
  readonly kind: string;
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
    readonly warnings?: readonly string[];
    readonly auditAnnotations?: Readonly<Record<string, string>>;
    readonly patchType?: string;
    readonly patch?: string;
  };
}

export interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly value: string;
}

/** The operations of the JSON patch in an answer; none where there is no patch. */
export function patchOf(answer: ReviewAnswer): readonly PatchOperation[] {
  const { patch } = answer.response;
  return patch === undefined ? [] : (JSON.parse(Buffer.from(patch, "base64").toString()) as PatchOperation[]);
}

function rowOf(kind: string): KindRow {
  const row = kinds[kind];
  if (row === undefined) throw new Error(`no such kind: ${kind}`);
  return row;
}
