import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseRepository } from "../../src/oci/reference.ts";
import { serveRegistry } from "./memory-registry.ts";
import { sendError } from "./server.ts";

const subject = digestOf(Buffer.from("image"));

/** What docker-registry 2.8 answers to a path that it does not know. */
function unknownPath(response: ServerResponse): void {
  response.writeHead(404, {
    "Content-Type": "text/plain; charset=utf-8",
    "Docker-Distribution-Api-Version": "registry/2.0",
  });
  response.end("404 page not found\n");
}

type Answer = (response: ServerResponse, repository: string) => void;

async function open(answer: Answer | undefined) {
  const clock = { now: 0 };
  const running = await serveRegistry({
    referrers: answer === undefined,
    intercept(_request, response, path) {
      const repository = /^(.+)\/referrers\//.exec(path)?.[1];
      if (answer === undefined || repository === undefined) return false;
      answer(response, repository);
      return true;
    },
  });
  const registry = createHttpRegistry({ now: () => clock.now, retry: { attempts: 1 } });
  const ask = (repository: string) =>
    registry.listReferrers(parseRepository(`${running.host}/${repository}`), subject, 20);
  return { clock, running, ask };
}

describe("a registry that says it has no referrers API", () => {
  test("is asked once for all images of a namespace, also at the same time, for a minute", async () => {
    const { clock, running, ask } = await open(unknownPath);
    const pages = await Promise.all(["team/a", "team/b", "team/c"].map(ask));
    expect(pages).toEqual(pages.map(() => ({ supported: false, descriptors: [], complete: true })));
    expect(running.requests).toHaveLength(1);
    clock.now = 59_999;
    await ask("team/d");
    expect(running.requests).toHaveLength(1);
    clock.now = 60_000;
    await ask("team/d");
    expect(running.requests).toHaveLength(2);
  });

  test("is asked again for another namespace, which may be served by another one", async () => {
    const { running, ask } = await open(unknownPath);
    for (const repository of ["team/a", "other/a", "a", "team/deep/a"]) await ask(repository);
    expect(running.requests).toHaveLength(4);
  });
});

test.each<[string, Answer]>([
  ["no such repository, as JSON", (response) => sendError(response, 404, "NAME_UNKNOWN")],
  [
    "the text of a proxy that finds no registry",
    (response) => response.writeHead(404, { "Content-Type": "text/plain" }).end("default backend - 404"),
  ],
  ["a page", (response) => response.writeHead(404, { "Content-Type": "text/html" }).end("<h1>no</h1>")],
])("an answer that says something else is not remembered: %s", async (_name, answer) => {
  const { running, ask } = await open(answer);
  for (const repository of ["team/a", "team/b"]) expect(await ask(repository)).toMatchObject({ supported: false });
  expect(running.requests).toHaveLength(2);
});

test("one image's failure is no other's", async () => {
  const { ask } = await open((response, repository) =>
    repository === "team/broken" ? sendError(response, 403, "DENIED") : unknownPath(response),
  );
  const [broken, whole] = await Promise.allSettled([ask("team/broken"), ask("team/whole")]);
  expect([broken.status, whole.status]).toEqual(["rejected", "fulfilled"]);
});

test("with the API every image is asked for", async () => {
  const { running, ask } = await open(undefined);
  const pages = await Promise.all(["team/a", "team/b", "team/c"].map(ask));
  expect(pages.map(({ supported }) => supported)).toEqual([true, true, true]);
  expect(running.requests).toHaveLength(3);
});
