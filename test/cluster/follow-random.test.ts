import type { IncomingMessage, ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClusterObject } from "../../src/cluster/cluster.ts";
import { follow } from "../../src/cluster/follow.ts";
import { configMap, configMaps, line, listOf, queryOf, sendJson, serveApi, statusOf } from "./api-server.ts";

/** An API server that keeps its promises while `fault` is 0, and breaks one at each request while it is not. */
function createStore() {
  const objects = new Map<string, number>();
  const events: { readonly version: number; readonly text: string }[] = [];
  const watches = new Set<ServerResponse>();
  const states = new Set<string>();
  const store = { version: 10, forgotten: 0, fault: 0 };
  const shown = () =>
    [...objects]
      .map(([name, version]) => `${name}@${version}`)
      .toSorted()
      .join(" ");
  const changed = (type: string, name: string) => {
    states.add(shown());
    const text = line(type, configMap(name, store.version));
    events.push({ version: store.version, text });
    for (const watch of watches) watch.write(text);
  };
  states.add("");
  const faults: ((response: ServerResponse, text: string) => unknown)[] = [
    (response) => sendJson(response, 500, statusOf(500)),
    (response) => sendJson(response, 410, statusOf(410)),
    (response) => response.destroy(),
    (response, text) => response.end(text.slice(0, text.length / 2)),
    (response, text) => response.end(`${text}garbage\n`),
    (response, text) => response.end(`${text}${line("ADDED", configMap("ghost", 1))}`),
    (response, text) => response.end(`${text}${line("ERROR", statusOf(410))}`),
    (response, text) => response.end(text),
    (response, text) => response.write(text, () => response.destroy()),
  ];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const query = queryOf(request);
    const from = Number(query.get("resourceVersion"));
    const text = query.has("watch")
      ? events
          .filter(({ version }) => version > from)
          .map((event) => event.text)
          .join("")
      : JSON.stringify(
          listOf(
            [...objects].map(([name, version]) => configMap(name, version)),
            store.version,
          ),
        );
    const fault = faults[store.fault - 1];
    if (fault !== undefined) return fault(response, text);
    if (!query.has("watch")) return response.end(text);
    if (from < store.forgotten) return response.end(line("ERROR", statusOf(410)));
    response.flushHeaders();
    if (text !== "") response.write(text);
    watches.add(response);
    return response.on("close", () => watches.delete(response));
  };
  return {
    answer,
    states,
    shown,
    put(name: string) {
      const type = objects.has(name) ? "MODIFIED" : "ADDED";
      objects.set(name, ++store.version);
      changed(type, name);
    },
    remove(name: string) {
      if (!objects.delete(name)) return;
      store.version++;
      changed("DELETED", name);
    },
    forget() {
      store.forgotten = store.version;
    },
    cut(fault: number) {
      store.fault = fault;
      for (const watch of watches) watch.destroy();
    },
  };
}

const name = fc.constantFrom("a", "b", "c", "d");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: name }) },
  { weight: 2, arbitrary: fc.record({ remove: name }) },
  { weight: 1, arbitrary: fc.record({ forget: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ cut: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 15 }) }) },
);

test("whatever a server does, only what was there is told, and in the end what is there", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const store = createStore();
      const { cluster, stop } = await serveApi(store.answer, { watchLimits: { seconds: [0, 0], grace: 60_000 } });
      const controller = new AbortController();
      const told: string[] = [];
      const { ended } = follow({
        cluster,
        resource: configMaps,
        onChange: (objects) => told.push(shown(objects)),
        onTrouble: () => {},
        signal: controller.signal,
        timing: { firstPause: 2, maxPause: 8, batch: 2, relist: 60_000, unknownKind: 5, lostKind: 20 },
      });
      for (const each of steps) {
        if ("put" in each) store.put(each.put);
        else if ("remove" in each) store.remove(each.remove);
        else if ("forget" in each) store.forget();
        else if ("cut" in each) store.cut(each.cut);
        else await new Promise((resolve) => setTimeout(resolve, each.wait));
      }
      store.cut(0);
      await expect.poll(() => told.at(-1), { timeout: 5_000, interval: 2 }).toBe(store.shown());
      for (const state of told) expect(store.states).toContain(state);
      controller.abort();
      await ended;
      cluster.close();
      await stop();
    }),
    { numRuns: 40 },
  );
}, 120_000);

function shown(objects: ReadonlyMap<string, ClusterObject>): string {
  return [...objects.values()]
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .toSorted()
    .join(" ");
}
