import { afterAll, describe, expect, it } from "vitest";
import { createSecretSource, type SecretSourceOptions } from "../../src/policy-objects/secrets.ts";
import { codeOfRejection } from "../support/errors.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";
import { secretObject, until } from "../support/policy-objects.ts";

const running = new AbortController();
afterAll(() => running.abort());

function open(options: Partial<SecretSourceOptions> = {}) {
  const cluster = createMemoryCluster();
  let changes = 0;
  const source = createSecretSource({
    cluster,
    onChange: () => void changes++,
    onTrouble: () => undefined,
    signal: running.signal,
    timing: { firstPause: 10, maxPause: 20, batch: 1 },
    ...options,
  });
  return { cluster, source, changes: () => changes };
}

describe("an entry of a Secret", () => {
  it("is the one that is named, or the only one there is", async () => {
    const { cluster, source } = open();
    cluster.put(secretObject("one", "prod", { a: "text of a" }));
    cluster.put(secretObject("two", "prod", { a: "text of a", b: "text of b" }));
    const read = (name: string, entry?: string) => source.readSecret({ name, namespace: "prod", entry });
    expect(await read("one")).toBe("text of a");
    expect(await read("two", "b")).toBe("text of b");
    expect(await codeOfRejection(read("two"))).toBe("SECRET_UNUSABLE");
    expect(await codeOfRejection(read("two", "c"))).toBe("SECRET_UNUSABLE");
    expect(await codeOfRejection(read("two", "constructor"))).toBe("SECRET_UNUSABLE");
    expect(await codeOfRejection(read("none"))).toBe("SECRET_UNUSABLE");
  });

  it("is of the program's own namespace where none is named", async () => {
    const { cluster, source } = open();
    cluster.put(secretObject("one", cluster.namespace, { a: "own" }));
    cluster.put(secretObject("one", "prod", { a: "other" }));
    expect(await source.readSecret({ name: "one" })).toBe("own");
  });

  it("never shows in what is said of it", async () => {
    const { cluster, source } = open();
    const secret = "c2VjcmV0!";
    cluster.put({ ...secretObject("odd", "prod", {}), data: { a: secret } });
    const error: unknown = await source.readSecret({ name: "odd", namespace: "prod" }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "SECRET_UNUSABLE" });
    expect(JSON.stringify([error, String(error), (error as Error).cause ?? ""])).not.toContain(secret);
  });

  it("is asked for once, and tells of its changes only", async () => {
    const { cluster, source, changes } = open();
    cluster.put(secretObject("one", "prod", { a: "1", b: "1" }));
    const read = () => source.readSecret({ name: "one", namespace: "prod", entry: "a" });
    expect(await Promise.all([read(), read(), read()])).toEqual(["1", "1", "1"]);
    expect(cluster.requests.filter((request) => request === "list secrets")).toHaveLength(1);
    cluster.put(secretObject("one", "prod", { a: "1", b: "2" }));
    cluster.put(secretObject("one", "prod", { a: "2", b: "2" }));
    await until(() => changes() > 0);
    expect(changes()).toBe(1);
    expect(await read()).toBe("2");
  });
});

describe("entries that are followed", () => {
  it("are let go when a round does not ask for them", async () => {
    const { cluster, source, changes } = open();
    cluster.put(secretObject("one", "prod", { a: "1" }));
    cluster.put(secretObject("two", "prod", { a: "1" }));
    source.begin();
    for (const name of ["one", "two"]) await source.readSecret({ name, namespace: "prod" });
    source.end();
    source.begin();
    await source.readSecret({ name: "two", namespace: "prod" });
    source.end();
    cluster.put(secretObject("one", "prod", { a: "2" }));
    cluster.put(secretObject("two", "prod", { a: "2" }));
    await until(() => changes() > 0);
    await new Promise((done) => setTimeout(done, 20));
    expect(changes()).toBe(1);
  });

  it("are bounded for each namespace and in all, and those that policies of the cluster name are never crowded out", async () => {
    const { cluster, source } = open({ limits: { namespace: 3, total: 4 } });
    const read = async (name: string, asker?: string) => {
      const namespace = asker ?? "keys";
      cluster.put(secretObject(name, namespace, { a: "x" }));
      return source.readSecret({ name, namespace, asker });
    };
    expect(await Promise.all([read("1", "a"), read("2", "a"), read("3", "a")])).toEqual(["x", "x", "x"]);
    expect(await codeOfRejection(read("4", "a"))).toBe("SECRET_UNUSABLE");
    const ofCluster = ["1", "2", "3", "4"].map((name) => read(name));
    expect(await Promise.all(ofCluster)).toEqual(["x", "x", "x", "x"]);
    expect(await codeOfRejection(read("5"))).toBe("SECRET_UNUSABLE");
  });

  it("are shared evenly between namespaces: who has most gives, and hears of it", async () => {
    const { cluster, source, changes } = open({ limits: { namespace: 3, total: 4 } });
    const read = async (name: string, asker: string) => {
      cluster.put(secretObject(name, asker, { a: "x" }));
      return source.readSecret({ name, namespace: asker, asker });
    };
    for (const name of ["1", "2", "3"]) await read(name, "a");
    for (const asker of ["b", "c"]) expect(await read("1", asker)).toBe("x");
    expect(changes()).toBe(1);
    expect(await codeOfRejection(read("3", "a"))).toBe("SECRET_UNUSABLE");
    expect(await read("1", "d")).toBe("x");
    expect(await codeOfRejection(read("1", "e"))).toBe("SECRET_UNUSABLE");
    expect([await read("1", "a"), await read("1", "b"), await read("1", "c")]).toEqual(["x", "x", "x"]);
  });

  it("are not kept where they are longer than any keys", async () => {
    const { cluster, source } = open();
    cluster.put(secretObject("long", "prod", { a: "x".repeat(200_000) }));
    expect(await codeOfRejection(source.readSecret({ name: "long", namespace: "prod" }))).toBe("SECRET_UNUSABLE");
  });

  it("keep no round waiting for longer than its patience", async () => {
    const { cluster, source } = open({ patience: 30 });
    Object.assign(cluster, { list: () => new Promise(() => {}) });
    const names = ["1", "2", "3", "4", "5"];
    const codes: unknown[] = [];
    for (const name of names) codes.push(await codeOfRejection(source.readSecret({ name, namespace: "prod" })));
    expect(new Set(codes)).toEqual(new Set(["CLUSTER_UNREACHABLE"]));
  });
});
