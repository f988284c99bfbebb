import { Agent, request } from "node:https";
import { admissionReview, type ReviewAnswer, workload } from "../support/kube.ts";
import { podSpec } from "./objects.ts";
import type { WebhookProcess } from "./webhook-process.ts";

const agents = new Map<string, Agent>();

/** What the webhook itself says, asked as the API server would. */
export async function ask(webhook: WebhookProcess, image: string, ns: string): Promise<ReviewAnswer["response"]> {
  const object = workload("Pod", podSpec(image), { namespace: ns });
  const review = JSON.stringify(admissionReview(object, { namespace: ns }));
  return (JSON.parse((await send(webhook, "/validate", review)).body) as ReviewAnswer).response;
}

/** Asks for a path of the webhook. */
export function get(webhook: WebhookProcess, path: string) {
  return send(webhook, path);
}

function send({ url, ca }: WebhookProcess, path: string, body?: string): Promise<{ status: number; body: string }> {
  const agent = agents.get(ca) ?? new Agent({ ca });
  agents.set(ca, agent);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request(`${url}${path}`, { agent, method }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}
