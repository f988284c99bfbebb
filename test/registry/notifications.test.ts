import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { RegistryEvent } from "../../src/registry/events.ts";
import { createNotifier, type NotificationEndpoint } from "../../src/registry/notifications.ts";
import { pushBlob, pushImage, sha } from "./support/client.ts";
import { configFile, stage, testFolder, usersFile } from "./support/server.ts";

interface Listener {
  readonly url: string;
  readonly requests: { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  readonly events: RegistryEvent[];
}

/** Listens for events; `answer` says with which status the n-th request is answered, 0 for never. */
async function listener(answer: (count: number) => number = () => 200): Promise<Listener> {
  const requests: Listener["requests"] = [];
  const events: RegistryEvent[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (data) => {
      body += data.toString();
    });
    request.on("end", () => {
      requests.push({ headers: request.headers, body });
      const status = answer(requests.length);
      if (status === 0) return;
      if (status === 200) events.push(...(JSON.parse(body) as { events: RegistryEvent[] }).events);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`, requests, events };
}

function endpoint(url: string, more: Partial<NotificationEndpoint> = {}): NotificationEndpoint {
  const ignore = { actions: [], mediaTypes: [] };
  return { name: "test", url, headers: {}, timeout: 1000, threshold: 3, backoff: 20, ignore, ...more };
}

function event(id: string, action: RegistryEvent["action"] = "push"): RegistryEvent {
  const [target, request] = [{ repository: "a" }, { id: "1" }];
  return { id, action, target, request } as RegistryEvent;
}

const warn = () => {};

describe("events of a registry", () => {
  it("come in the envelope of the Docker registry, in order", async () => {
    const { url, requests, events } = await listener();
    const folder = testFolder();
    const config = configFile(folder, {
      notifications: { endpoints: [{ name: "e", url, headers: { Authorization: ["Bearer t"] } }] },
    });
    const { as, host, close } = await stage({ folder, config, users: usersFile(folder, "dev") });
    const client = as("dev");
    const digest = await pushImage(client, "a", "v1");
    await client("GET", "/v2/a/manifests/v1", { headers: { "user-agent": "tester/1" } });
    await client("HEAD", "/v2/a/manifests/v1");
    await client("GET", `/v2/a/blobs/${sha("{}")}`);
    await client("POST", `/v2/b/blobs/uploads/?mount=${sha("{}")}&from=a`);
    await client("DELETE", "/v2/a/manifests/v1");
    await client("DELETE", `/v2/a/manifests/${digest}`);
    await client("DELETE", `/v2/a/blobs/${sha("{}")}`);
    await close();
    expect(events.map(({ action, target }) => `${action} ${target.tag ?? target.mediaType ?? target.digest}`)).toEqual([
      "push application/octet-stream",
      "push application/octet-stream",
      "push v1",
      "pull v1",
      "pull application/octet-stream",
      "mount application/octet-stream",
      "delete v1",
      `delete ${digest}`,
      `delete ${sha("{}")}`,
    ]);
    expect(requests[0]?.headers).toMatchObject({
      "content-type": "application/vnd.docker.distribution.events.v1+json",
      authorization: "Bearer t",
    });
    const size = expect.any(Number);
    expect(events[3]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      action: "pull",
      target: {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        size,
        digest,
        length: size,
        repository: "a",
        url: `http://${host}/v2/a/manifests/${digest}`,
        tag: "v1",
      },
      request: {
        id: expect.any(String),
        addr: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        host,
        method: "GET",
        useragent: "tester/1",
      },
      actor: { name: "dev" },
      source: { addr: host, instanceID: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    expect(events[5]?.target).toMatchObject({ fromRepository: "a", repository: "b", digest: sha("{}") });
  });

  it("never make a request wait, and never keep the registry from ending", async () => {
    const { url, requests } = await listener(() => 0);
    const folder = testFolder();
    const endpoints = [{ name: "dead", url, timeout: "1h" }];
    const { client, close } = await stage({
      folder,
      config: configFile(folder, { notifications: { endpoints } }),
      drainMs: 200,
    });
    const start = performance.now();
    for (let i = 0; i < 20; i++) await pushBlob(client, "a", `blob ${i}`);
    expect(performance.now() - start).toBeLessThan(5000);
    await close();
    expect(requests).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe("delivery", () => {
  it("repeats what failed, in order, and loses nothing", async () => {
    const { url, events, requests } = await listener((count) => [500, 404, 301, 0][count % 5] ?? 200);
    const warnings: string[] = [];
    const endpoints = [endpoint(url, { timeout: 50 })];
    const notifier = createNotifier({ endpoints, warn: (message) => void warnings.push(message) });
    const ids = Array.from({ length: 250 }, (_, i) => String(i));
    for (const id of ids) notifier.publish(event(id));
    expect(await notifier.close(20_000)).toBe(0);
    expect(events.map(({ id }) => id)).toEqual(ids);
    expect(requests.length).toBeGreaterThan(10);
    expect(warnings.some((message) => message.includes("answers"))).toBe(true);
    expect(warnings.join()).not.toContain(url);
  });

  it("is by endpoint: one that fails holds up no other, and each may leave events out", async () => {
    const [good, dead] = [await listener(), await listener(() => 500)];
    const endpoints = [
      endpoint(dead.url),
      endpoint("http://127.0.0.1:1/"),
      endpoint(good.url, { ignore: { actions: ["pull"], mediaTypes: [] } }),
    ];
    const notifier = createNotifier({ endpoints, warn });
    for (const [id, action] of [
      ["1", "push"],
      ["2", "pull"],
      ["3", "delete"],
    ] as const)
      notifier.publish(event(id, action));
    await expect.poll(() => good.events.map(({ id }) => id)).toEqual(["1", "3"]);
    expect(await notifier.close(50)).toBe(6);
  });

  it("waits the backoff once the threshold is reached", async () => {
    const { url, requests } = await listener(() => 503);
    const notifier = createNotifier({ endpoints: [endpoint(url, { threshold: 2, backoff: 60_000 })], warn });
    notifier.publish(event("1"));
    await expect.poll(() => requests.length).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(requests).toHaveLength(2);
    expect(await notifier.close(10)).toBe(1);
  });

  it("keeps a bounded number, and changes rather than pulls", async () => {
    let open = false;
    const { url, events, requests } = await listener(() => (open ? 200 : 500));
    const warnings: string[] = [];
    const endpoints = [endpoint(url)];
    const notifier = createNotifier({ endpoints, warn: (message) => void warnings.push(message), maxWaiting: 150 });
    for (let i = 0; i < 140; i++) notifier.publish(event(`pull ${i}`, "pull"));
    await expect.poll(() => requests.length).toBeGreaterThan(0);
    for (let i = 0; i < 40; i++) notifier.publish(event(`push ${i}`));
    for (let i = 0; i < 40; i++) notifier.publish(event(`late pull ${i}`, "pull"));
    open = true;
    await notifier.close(10_000);
    expect(events.length).toBeLessThanOrEqual(151);
    expect(events.filter(({ action }) => action === "push").map(({ id }) => id)).toEqual(
      Array.from({ length: 40 }, (_, i) => `push ${i}`),
    );
    expect(events.some(({ id }) => id.startsWith("late"))).toBe(false);
    expect(warnings.some((message) => message.includes("dropped"))).toBe(true);
  });
});
