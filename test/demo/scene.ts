import { buildImage, type ImageRecipe } from "../support/images.ts";

/** Base files shared by the images, so that they have several real layers. */
const base = { "etc/os-release": 'ID=demo\nVERSION_ID="1"\n', "etc/passwd": "app:x:10001:10001::/:/sbin/nologin\n" };

function java(version: string): ImageRecipe {
  return {
    layers: [
      base,
      { "opt/jre/release": 'JAVA_VERSION="21.0.8"\n', "opt/jre/lib/modules": "m".repeat(200_000) },
      { "app/BOOT-INF/lib/spring-boot.jar": "j".repeat(50_000) },
      { "app/BOOT-INF/classes/application.yml": `info.version: ${version}\n` },
    ],
    entrypoint: ["/opt/jre/bin/java", "-jar", "/app"],
    labels: { "org.opencontainers.image.version": version },
  };
}

const small = (text: string): ImageRecipe => ({ layers: [base, { "app/run.sh": `#!/bin/sh\necho ${text}\n` }] });

/** What is pushed: name below the registry, and the image. */
export const images = {
  spring: { name: "springbootkubernetes/spring-boot-kubernetes:0.1.0", image: buildImage(java("0.1.0")) },
  foo: { name: "team/foo:1.4", image: buildImage(small("foo")) },
  unsigned: { name: "team/report:nightly", image: buildImage(small("report")) },
  stranger: { name: "team/tool:2.0", image: buildImage(small("tool")) },
  moved: { name: "team/gateway:3.1", image: buildImage(small("gateway")) },
  web: { name: "ci/web:1.0", image: buildImage(small("web 1.0")) },
  handmade: { name: "ci/web:1.1", image: buildImage(small("web 1.1")) },
  branch: { name: "ci/web:experiment", image: buildImage(small("web experiment")) },
  swapped: { name: "team/gateway:3.1", image: buildImage(small("something else")) },
} as const;

const metadata = (name: string) => ({ name, namespace: "shop", labels: { app: name } });

export function deployment(name: string, image: string, replicas = 3) {
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name, image, ports: [{ containerPort: 8080 }] }] },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(name),
    spec: { replicas, selector: { matchLabels: { app: name } }, template },
  };
}

export function pod(name: string, image: string, initImage?: string) {
  const initContainers = initImage === undefined ? {} : { initContainers: [{ name: "init", image: initImage }] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata(name),
    spec: { ...initContainers, containers: [{ name, image }] },
  };
}

export function cronJob(name: string, image: string) {
  const template = { spec: { restartPolicy: "Never", containers: [{ name, image }] } };
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: metadata(name),
    spec: { schedule: "0 3 * * *", jobTemplate: { spec: { template } } },
  };
}

export function policy(registry: string): string {
  return `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: production }
spec:
  mode: enforce
  images: [{ glob: "${registry}/team/**" }, { glob: "${registry}/springbootkubernetes/**" }]
  authorities:
    - name: release
      key: { file: ../release.pub }
`;
}
