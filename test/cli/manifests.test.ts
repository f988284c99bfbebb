import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readManifests } from "../../src/cli/manifests.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("trust-manifests");
});
afterEach(() => folder.cleanup());

const write = (name: string, content: string) => writeFileSync(join(folder.path, name), content);
const read = () => readManifests(folder.path, "default");

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: prod, labels: { tier: front } }
spec:
  template:
    spec:
      initContainers: [{ name: i, image: init:1 }]
      containers: [{ name: a, image: app:1 }, { name: b, image: app:1 }]
      volumes: [{ name: v, image: { reference: data:1 } }, { name: e, emptyDir: {} }]
`;

describe("manifests", () => {
  test("give every image of a workload once, with the object that names it", async () => {
    write("web.yaml", deployment);
    const { images, errors } = await read();
    expect(errors).toEqual([]);
    const what = { apiGroup: "apps", resource: "deployments", kind: "Deployment" };
    const object = { ...what, namespace: "prod", name: "web", labels: { tier: "front" } };
    expect(images).toEqual(
      ["init:1", "app:1", "data:1"].map((image) => ({ image, usedBy: "Deployment prod/web", object })),
    );
  });

  test("may be many documents, lists, JSON, files in folders, and use anchors", async () => {
    write("a.yaml", `${deployment}---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: { name: s }\n`);
    mkdirSync(join(folder.path, "sub"));
    const pod = (name: string) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { containers: [{ image: `${name}:1` }] },
    });
    write("sub/list.json", JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod("one"), pod("two")] }));
    write(
      "c.yml",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nx: &c {image: 'anchored:1'}\nspec: {containers: [*c, {<<: *c, name: n}]}\n",
    );
    write("notes.txt", "not: [a manifest");
    const { images, errors } = await read();
    expect(errors).toEqual([]);
    expect(images.map(({ image, usedBy }) => `${image} ${usedBy}`)).toEqual([
      "init:1 Deployment prod/web",
      "app:1 Deployment prod/web",
      "data:1 Deployment prod/web",
      "anchored:1 Pod default/p",
      "one:1 Pod default/one",
      "two:1 Pod default/two",
    ]);
  });

  test("of kinds nobody knows are searched for Pod specifications", async () => {
    write("rollout.yaml", deployment.replace("apps/v1", "argoproj.io/v1alpha1").replace("Deployment", "Rollout"));
    const { images } = await read();
    expect(images.map(({ image, usedBy }) => `${image} ${usedBy}`)).toContain("app:1 Rollout prod/web");
    expect(images[0]?.object).toEqual({
      ...{ apiGroup: "", resource: "pods", kind: "Pod" },
      ...{ namespace: "prod", labels: {} },
    });
  });

  test("that cannot be read are errors with their place, and the others count all the same", async () => {
    write("chart.yaml", "kind: Pod\nspec: {{ .Values.spec }}\n");
    write("twice.yaml", "kind: Pod\nkind: Job\n");
    write("broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: no-image}]}\n");
    write("web.yaml", deployment);
    const { images, errors } = await read();
    expect(images).toHaveLength(3);
    expect(errors.map(({ code }) => code).sort()).toEqual(["CONFIG_INVALID", "CONFIG_INVALID", "OBJECT_UNSUPPORTED"]);
    for (const error of errors) expect(error.message).toContain(folder.path);
  });

  test("that are not there are a typed error", async () => {
    expect(await codeOfRejection(readManifests(join(folder.path, "none"), "default"))).toBe("FILE_NOT_FOUND");
    expect(await codeOfRejection(read())).toBe("FILE_NOT_FOUND");
  });

  test("with an alias bomb are refused", async () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `a${i}: &a${i} [${
          i === 0
            ? "x"
            : Array(10)
                .fill(`*a${i - 1}`)
                .join(",")
        }]`,
    );
    write("bomb.yaml", levels.join("\n"));
    const { errors } = await read();
    expect(errors.map(({ code }) => code)).toEqual(["CONFIG_INVALID"]);
  });
});
