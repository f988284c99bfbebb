import { describe, expect, test } from "vitest";
import { type ClusterScope, readClusterSubjects } from "../../src/cli/cluster-subjects.ts";
import { createContext } from "../../src/cli/command.ts";
import { TrustError } from "../../src/errors.ts";
import { codeOfRejection } from "../support/errors.ts";
import { podSpec, workload } from "../support/kube.ts";
import { createMemoryCluster, type WrittenObject } from "../support/memory-cluster.ts";

const everything: ClusterScope = { namespaces: [], needsNamespaceLabels: true };

/** A context of a person at a terminal, and what is written there. */
function contextOf(isTerminal = false) {
  const written: string[] = [];
  const output = {
    write: (text: string | Uint8Array) => void written.push(String(text)),
    isTerminal,
    hasColors: false,
  };
  const io = { stdout: output, stderr: output, env: {}, signal: new AbortController().signal } as never;
  return { context: createContext(io, { output: "table", verbose: false, quiet: false }), written };
}

function filled() {
  const cluster = createMemoryCluster();
  for (const [name, env] of [
    ["prod", "production"],
    ["lab", "test"],
  ] as const)
    cluster.put({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { env } } });
  const put = (object: object) => cluster.put(object as WrittenObject);
  put(workload("Deployment", podSpec("app:1")));
  put(workload("Pod", podSpec("side:1"), { name: "lab", namespace: "lab" }));
  return { cluster, put };
}

const read = async (cluster: ReturnType<typeof createMemoryCluster>, scope = everything) => {
  const { subjects, errors } = await readClusterSubjects(contextOf().context, cluster, scope);
  const told = subjects.map(({ image, usedBy, object }) => [image, usedBy, object?.namespaceLabels?.["env"]]);
  return { told, errors };
};

const all = [
  ["side:1", "Pod lab/lab", "test"],
  ["app:1", "Deployment prod/app", "production"],
];

describe("what runs in a cluster", () => {
  test("is read kind by kind, with the labels of namespaces", async () => {
    expect(await read(filled().cluster)).toEqual({ told: all, errors: [] });
  });

  test("is read without labels of namespaces, and the right to them, where no policy asks for them", async () => {
    const { cluster } = filled();
    cluster.denied.add("namespaces.v1.");
    const { told, errors } = await read(cluster, { ...everything, needsNamespaceLabels: false });
    expect(errors).toEqual([]);
    expect(told).toEqual(all.map(([image, usedBy]) => [image, usedBy, undefined]));
    const named = await read(cluster, { namespaces: ["lab"], needsNamespaceLabels: false });
    expect(named).toEqual({ told: [["side:1", "Pod lab/lab", undefined]], errors: [] });
    expect((await read(cluster, { namespaces: ["lab"], needsNamespaceLabels: true })).errors).toMatchObject([
      { code: "CLUSTER_ACCESS_DENIED" },
    ]);
  });

  test("is that of the namespaces which are named, and one that is not there is an error", async () => {
    const { told, errors } = await read(filled().cluster, { ...everything, namespaces: ["lab", "nowhere"] });
    expect(told).toEqual([all[0]]);
    expect(errors).toMatchObject([{ code: "CONFIG_INVALID", category: "config" }]);
  });

  test("counts where a kind is unknown to the server, and is told to be in part where one may not be listed", async () => {
    const { cluster } = filled();
    cluster.unknown.add("podtemplates.v1.");
    for (const kind of ["namespaces.v1.", "deployments.v1.apps", "jobs.v1.batch"]) cluster.denied.add(kind);
    const { told, errors } = await read(cluster);
    expect(told).toEqual([["side:1", "Pod lab/lab", undefined]]);
    expect(errors).toMatchObject([
      {
        code: "CLUSTER_ACCESS_DENIED",
        expected: "the right to list namespaces, deployments.apps, jobs.batch in all namespaces",
        hint: expect.stringContaining("--verb=list --resource=namespaces,deployments.apps,jobs.batch"),
      },
    ]);
  });

  test("counts but for an object that cannot be read, which is named", async () => {
    const { cluster, put } = filled();
    put(workload("DaemonSet", { containers: [{ name: "x" }] }, { name: "odd" }));
    const { told, errors } = await read(cluster);
    expect(told).toEqual(all);
    expect(errors).toMatchObject([
      { code: "OBJECT_UNSUPPORTED", message: expect.stringMatching(/^DaemonSet prod\/odd: /) },
    ]);
  });

  test("is unknown where the cluster does not answer, or does not know who asks", async () => {
    const { cluster } = filled();
    cluster.stop();
    expect(await codeOfRejection(read(cluster))).toBe("CLUSTER_UNREACHABLE");
    const strange = {
      ...cluster,
      list: async () => Promise.reject(new TrustError("CLUSTER_ACCESS_DENIED", "who?", { found: "401: Unauthorized" })),
    };
    expect(await codeOfRejection(read(strange))).toBe("CLUSTER_ACCESS_DENIED");
  });

  test("is told to a person while it is read, and leaves no trace", async () => {
    const { context, written } = contextOf(true);
    await readClusterSubjects(context, filled().cluster, everything);
    expect(written.join("")).toContain("listing 9/9  cronjobs");
    expect(written.at(-1)).toBe("\r\u001b[2K");
  });
});
