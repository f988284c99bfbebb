import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Fastify from "fastify";
import { pino } from "pino";
import { openCertificates } from "../../webhook/certificates.ts";
import { admissionReview, podSpec, workload } from "../support/kube.ts";
import { tempDir } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";
import { startWebhookStage } from "../support/webhook-stage.ts";
import { type LoadResult, putLoad } from "./load.ts";

export type AdmissionFigures = Pick<LoadResult, "perSecond" | "p50" | "p99">;

export interface AdmissionBench {
  /** Warm reviews of a signed image on `/validate`, over HTTPS keep-alive. */
  readonly webhook: AdmissionFigures;
  /** A bare Fastify HTTPS server that parses the same body and sends it back. */
  readonly echo: AdmissionFigures;
  /** The same, but it sends back two bytes only: the floor for any server that reads the body. */
  readonly floor: AdmissionFigures;
  readonly bodyBytes: number;
  readonly connections: number;
}

export interface AdmissionBenchOptions {
  readonly connections?: number;
  /** Each server is measured that often, in turn; the best round of each counts. */
  readonly rounds?: number;
  readonly milliseconds?: number;
}

/** Measures warm admission against a bare server, in turn and under the same load, with logs written to nowhere. */
export async function measureAdmission(options: AdmissionBenchOptions = {}): Promise<AdmissionBench> {
  const { connections = 8, rounds = 3, milliseconds = 2000 } = options;
  const log = pino(pino.destination({ fd: openSync("/dev/null", "w"), sync: false }));
  const stage = await startWebhookStage({ key: newPrivateKey(), log });
  const bare = await startBareServer();
  try {
    const body = JSON.stringify(await typicalReview(stage));
    const common = { body, connections, milliseconds };
    const port = Number(new URL(stage.webhook.url).port);
    const loads = [
      { ...common, port, ca: stage.ca, path: "/validate?timeout=10s" },
      { ...common, port: bare.port, ca: bare.ca, path: "/echo" },
      { ...common, port: bare.port, ca: bare.ca, path: "/floor" },
    ];
    const best: LoadResult[] = [];
    // The first round only warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const [index, load] of loads.entries()) {
        const result = await putLoad(load);
        const before = best[index];
        if (round === 1 || before === undefined || result.perSecond > before.perSecond) best[index] = result;
      }
    }
    const [webhook, echo, floor] = best;
    if (webhook === undefined || echo === undefined || floor === undefined) throw new Error("nothing was measured");
    if (!webhook.lastAnswer.includes('"allowed":true')) throw new Error(webhook.lastAnswer);
    return { webhook, echo, floor, bodyBytes: Buffer.byteLength(body), connections };
  } finally {
    await bare.close();
    await stage.close();
  }
}

/** A Pod as large as real ones are, with two containers of one signed image, pinned. */
async function typicalReview(stage: Awaited<ReturnType<typeof startWebhookStage>>): Promise<object> {
  const { image, digest } = await stage.image("prod/app:1");
  const fields = Object.fromEntries(
    Array.from({ length: 160 }, (_, i) => [`f:field${i}`, { [`k:{"name":"x${i}"}`]: { ".": {}, "f:name": {} } }]),
  );
  const metadata = {
    labels: { app: "app", tier: "web" },
    annotations: { note: "x".repeat(8000) },
    managedFields: [{ manager: "kubectl", operation: "Update", fieldsType: "FieldsV1", fieldsV1: fields }],
  };
  const pinned = `${image}@${digest}`;
  return admissionReview(workload("Pod", podSpec(pinned, pinned), metadata));
}

async function startBareServer(): Promise<{ readonly port: number; readonly ca: string; close(): Promise<void> }> {
  const folder = tempDir("trust-bench-bare");
  const hosts = ["localhost"];
  const { key, cert } = await openCertificates({ certDir: folder.path, hosts, now: Date.now })();
  const ca = readFileSync(join(folder.path, "ca.crt"), "utf8");
  folder.cleanup();
  const app = Fastify({ https: { key, cert } });
  app.post("/echo", (request, reply) => reply.send(request.body));
  app.post("/floor", (_request, reply) => reply.send({}));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const address = app.server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, ca, close: () => app.close() };
}
