import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Verdict } from "../src/index.ts";
import type { ReviewOutcome } from "./answer.ts";
import type { Endpoint } from "./decide.ts";
import { findingsOf } from "./explain.ts";

/** What the webhook counts. Labels are few and their values fixed: no image, namespace or user ever is one. */
export interface Metrics {
  /** One review answered, after `seconds`. */
  review(route: Endpoint, outcome: ReviewOutcome, seconds: number, verdicts: readonly Verdict[]): void;
  /** One request to a registry. */
  registryRequest(outcome: string): void;
  policiesLoaded(count: number, at: number): void;
  policiesFailed(): void;
  /** Policy objects of the cluster: how many of a kind are in force as they are written, and how many are not. */
  policyObjects(kind: string, inForce: number, unusable: number): void;
  /** When the API server was last heard of a kind, milliseconds since 1970. */
  clusterSeen(kind: string, at: number): void;
  clusterFailed(): void;
  /** When the serving certificate expires, milliseconds since 1970. */
  certificateExpires(at: number): void;
  /** The Prometheus text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Each webhook has its own registry, so that several can live in one process. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics === true) collectDefaultMetrics({ register: registry });
  const reviews = new Counter({
    name: "trust_admission_reviews_total",
    help: "AdmissionReviews answered; pass: nothing had to be checked, refused: could not be read or judged",
    labelNames: ["route", "outcome"],
    registers,
  });
  const duration = new Histogram({
    name: "trust_admission_duration_seconds",
    help: "Time from the arrival of an AdmissionReview to its answer",
    labelNames: ["route"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const images = new Counter({
    name: "trust_admission_images_total",
    help: "Distinct images of AdmissionReviews by the status and outcome of their verdict",
    labelNames: ["status", "outcome"],
    registers,
  });
  const denials = new Counter({
    name: "trust_admission_denied_images_total",
    help: "Denied images by the category of the reason; unavailable: the answer could not be had",
    labelNames: ["category"],
    registers,
  });
  const requests = new Counter({
    name: "trust_registry_requests_total",
    help: "Requests to registries",
    labelNames: ["outcome"],
    registers,
  });
  const policies = new Gauge({ name: "trust_policies", help: "Policies in force", registers });
  const loadedAt = new Gauge({
    name: "trust_policies_loaded_timestamp_seconds",
    help: "When the policies in force were loaded",
    registers,
  });
  const failures = new Counter({
    name: "trust_policy_load_failures_total",
    help: "Changed policies that could not be loaded; the last good ones stayed in force",
    registers,
  });
  const objects = new Gauge({
    name: "trust_policy_objects",
    help: "Policy objects of the cluster; unusable: it refuses what it matches, or allows nothing, and its status says why",
    labelNames: ["kind", "state"],
    registers,
  });
  const seen = new Gauge({
    name: "trust_cluster_watch_last_seen_timestamp_seconds",
    help: "When the API server last said what there is of a kind; the policies known by then stay in force",
    labelNames: ["kind"],
    registers,
  });
  const troubles = new Counter({
    name: "trust_cluster_watch_failures_total",
    help: "Lists and watches of the API server that failed",
    registers,
  });
  const expires = new Gauge({
    name: "trust_certificate_expiry_timestamp_seconds",
    help: "When the serving certificate expires",
    registers,
  });
  return {
    review(route, outcome, seconds, verdicts) {
      reviews.inc({ route, outcome });
      duration.observe({ route }, seconds);
      for (const verdict of verdicts) {
        images.inc({ status: verdict.status, outcome: verdict.outcome });
        if (verdict.outcome === "deny")
          denials.inc({ category: findingsOf(verdict)[0]?.finding.category ?? "untrusted" });
      }
    },
    registryRequest: (outcome) => requests.inc({ outcome }),
    policiesLoaded(count, at) {
      policies.set(count);
      loadedAt.set(at / 1000);
    },
    policiesFailed: () => failures.inc(),
    policyObjects(kind, inForce, unusable) {
      objects.set({ kind, state: "in_force" }, inForce);
      objects.set({ kind, state: "unusable" }, unusable);
    },
    clusterSeen: (kind, at) => seen.set({ kind }, at / 1000),
    clusterFailed: () => troubles.inc(),
    certificateExpires: (at) => expires.set(at / 1000),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
