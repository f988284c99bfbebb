import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { describeKubernetes, startKubernetes } from "../support/kubernetes.ts";
import { eventually } from "./eventually.ts";

describeKubernetes("the cluster of these tests", () => {
  it("knows users by their certificates, and lets them do what RBAC says", async () => {
    const cluster = await startKubernetes();
    try {
      const kubeconfig = cluster.kubeconfigFor("alice", ["auditors", "developers"]);
      const who = await cluster.kubectl(["auth", "whoami"], { kubeconfig });
      expect(who.stdout).toMatch(/alice[\s\S]*auditors developers/);
      expect((await cluster.kubectl(["get", "pods"], { kubeconfig })).stderr).toContain("forbidden");
      const role = ["create", "clusterrole", "readers", "--verb=get,list", "--resource=pods"];
      const binding = ["create", "clusterrolebinding", "auditors", "--clusterrole=readers", "--group=auditors"];
      for (const rule of [role, binding]) expect(await cluster.kubectl(rule)).toMatchObject({ code: 0 });
      const pods = async () => (await cluster.kubectl(["get", "pods"], { kubeconfig })).code === 0 || undefined;
      expect(await eventually("the rules are known", pods)).toBe(true);
      expect((await cluster.kubectl(["create", "ns", "a"], { kubeconfig })).stderr).toContain("forbidden");
    } finally {
      await cluster.close();
    }
  });

  it("has the same objects and users after an outage, and leaves nothing behind", async () => {
    const cluster = await startKubernetes();
    try {
      const kubeconfig = cluster.kubeconfigFor("root", ["system:masters"]);
      expect(await cluster.kubectl(["create", "ns", "kept"])).toMatchObject({ code: 0 });
      await cluster.stopApiServer();
      expect(await cluster.kubectl(["get", "ns", "kept"], { kubeconfig })).toMatchObject({ code: 1 });
      await cluster.startApiServer();
      expect(await cluster.kubectl(["get", "ns", "kept"], { kubeconfig })).toMatchObject({ code: 0 });
    } finally {
      await cluster.close();
    }
    expect(existsSync(cluster.folder)).toBe(false);
    expect(await fetch(cluster.server).catch(() => "gone")).toBe("gone");
  });
});
