import { describe, expect, test } from "vitest";
import type { CommandContext } from "../../src/cli/command.ts";
import { withNamespaceLabels } from "../../src/cli/namespace-labels.ts";
import type { ObjectContext, PolicySet, TrustPolicy } from "../../src/policy/policy.ts";
import { codeOfRejection } from "../support/errors.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";

const policy = { match: [{ namespaceSelector: { matchLabels: { env: "production" } } }] } as unknown as TrustPolicy;
const asking: PolicySet = { policies: [policy], revision: "" };
const content: PolicySet = { policies: [{ ...policy, match: [] }], revision: "" };
const podIn = (namespace: string, more: Partial<ObjectContext> = {}) => ({
  object: { apiGroup: "", resource: "pods", labels: {}, namespace, ...more },
});

function stage() {
  const cluster = createMemoryCluster();
  cluster.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { env: "production" } } });
  const notes: string[] = [];
  const context = { note: (text: string) => notes.push(text), io: { signal: new AbortController().signal } };
  const fill = async (items: Parameters<typeof withNamespaceLabels>[2], set = asking, paths = ["cluster"]) => {
    const lazy = { open: async () => cluster, close: async () => {} };
    const filled = await withNamespaceLabels(
      context as never as CommandContext,
      { paths, sets: [set], cluster: lazy },
      items,
    );
    return filled.map(({ object }) => object?.namespaceLabels);
  };
  return { cluster, notes, fill };
}

describe("labels of namespaces", () => {
  test("are those of the cluster whose policies ask for them, asked once for each namespace", async () => {
    const { cluster, fill } = stage();
    const known = podIn("shop", { namespaceLabels: { env: "test" } });
    expect(await fill([podIn("shop"), podIn("shop"), podIn("new"), known, {}])).toEqual([
      { env: "production" },
      { env: "production" },
      undefined,
      { env: "test" },
      undefined,
    ]);
    expect(cluster.requests).toEqual(["get namespaces/shop", "get namespaces/new"]);
  });

  test("are not asked for where no policy or no cluster does", async () => {
    const { cluster, fill } = stage();
    expect(await fill([podIn("shop")], content)).toEqual([undefined]);
    expect(await fill([podIn("shop")], asking, ["./cluster"])).toEqual([undefined]);
    expect(cluster.requests).toEqual([]);
  });

  test("that may not be read stay unknown, which is said; of an outage nothing is known", async () => {
    const { cluster, notes, fill } = stage();
    cluster.denied.add("namespaces.v1.");
    expect(await fill([podIn("shop")])).toEqual([undefined]);
    expect(notes).toEqual([
      expect.stringMatching(/^warning: the labels of namespaces are not known: .*get namespaces/),
    ]);
    cluster.stop();
    expect(await codeOfRejection(fill([podIn("shop")]))).toBe("CLUSTER_UNREACHABLE");
  });
});
