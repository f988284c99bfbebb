import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { loadPolicies } from "../../src/policy/load.ts";
import { matchPolicies } from "../../src/policy/match.ts";
import { createObjectComposer } from "../../src/policy/objects.ts";
import type { PolicySet } from "../../src/policy/policy.ts";
import { tempDir } from "../support/process.ts";
import { attestationBy, image, keyed, policyOf, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";
import type { Row } from "./compare.ts";

const policies = 1000;

/** How long deciding takes where nothing is fetched: loading, matching and evaluating policies. */
export async function measurePolicies(rounds: number): Promise<readonly Row[]> {
  const folder = tempDir("trust-bench-policies-");
  try {
    const loads: number[] = [];
    let set: PolicySet = { policies: [], revision: "" };
    for (let round = 0; round < Math.min(rounds, 7); round++) {
      // New keys each time: those that were read before are remembered.
      writePolicies(folder.path);
      const start = performance.now();
      set = await loadPolicies([folder.path], folder.path);
      loads.push(performance.now() - start);
    }
    return [
      row(`load ${set.policies.length} policies`, `${median(loads).toFixed(0)} ms`, "≤ 500 ms"),
      row(`match an image against ${set.policies.length} policies`, microseconds(matching(set)), "≤ 100 µs"),
      row(`change one of ${policies} policy objects of a cluster`, `${(await changing()).toFixed(1)} ms`, ""),
      row("evaluate 5 authorities, 2 attestations with CEL", microseconds(await evaluating()), "≤ 100 µs"),
    ];
  } finally {
    folder.cleanup();
  }
}

/** Policies of all sorts: by registry, by team, by name everywhere, some with tags and exclusions. */
function writePolicies(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (let file = 0; file < 10; file++) {
    const documents = Array.from({ length: policies / 10 }, (_, index) => {
      const n = file * 100 + index;
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      const data = pem.trimEnd().replaceAll("\n", "\n          ");
      const globs = [`registry.example.com/team-${n}/**`, `registry.example.com/*/app-${n}`, `**/shared-${n}`];
      return `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata:
  name: policy-${n}
spec:
  images:
    - glob: "${globs[n % 3]}"
  exclude: ["registry.example.com/team-${n}/base/*"]
  authorities:
    - name: release
      key:
        data: |
          ${data}
  attestations:
    - name: provenance
      predicateType: https://slsa.dev/provenance/v1
      condition: predicate.runDetails.builder.id.startsWith("https://github.com/team-${n}/")
`;
    });
    writeFileSync(join(folder, `${file}.yaml`), documents.join("---\n"));
  }
}

/** The event loop is not given back meanwhile: reviews wait that long. */
async function changing(): Promise<number> {
  const { publicKey } = newSigner();
  const data = formatPublicKey(publicKey);
  const object = (n: number, version: number) => ({
    ...{ apiVersion: "imagetrust.dev/v1alpha1", kind: "ClusterTrustPolicy" },
    metadata: { name: `policy-${n}`, uid: `${n}`, resourceVersion: `${version}` },
    spec: {
      images: [{ glob: `registry.example.com/team-${n}-${version}/**` }],
      authorities: [{ name: "release", key: { data } }],
    },
  });
  const compose = createObjectComposer({});
  const objects = Array.from({ length: policies }, (_, n) => object(n, 1));
  await compose(objects);
  const taken: number[] = [];
  for (let round = 0; round < 20; round++) {
    objects[round] = object(round, 2);
    const start = performance.now();
    const { set } = await compose(objects);
    matchPolicies(set, image);
    taken.push(performance.now() - start);
  }
  return median(taken);
}

function matching(set: PolicySet): number {
  const refs = Array.from({ length: 50 }, (_, n) => parseReference(`registry.example.com/team-${n * 20}/app-${n}:1.2`));
  return perCall((n) => matchPolicies(set, refs[n % refs.length] ?? image, undefined), 2000);
}

async function evaluating(): Promise<number> {
  const signers = Array.from({ length: 5 }, () => newSigner());
  const builder = { builder: { id: "https://github.com/acme/app" } };
  const [first = newSigner()] = signers;
  const policy = await policyOf({
    authorities: signers.map((signer, index) => keyed(`a${index}`, signer)),
    threshold: 3,
    attestations: [
      { name: "provenance", predicateType: "https://slsa.dev/provenance/v1", condition: builderCondition },
      { name: "scan", predicateType: "https://example.com/scan", condition: "predicate.findings.all(f, f.level < 7)" },
    ],
  });
  const findings = Array.from({ length: 20 }, (_, level) => ({ level: level % 5 }));
  const facts = {
    ...{ ref: image, now: 0, subject, findings: [] },
    proofs: await Promise.all(signers.map((signer) => signatureBy(signer))),
    attestations: [
      await attestationBy(first, { runDetails: builder }),
      await attestationBy(first, { findings }, { type: "https://example.com/scan" }),
    ],
  };
  if (!evaluatePolicy(policy, false, facts).passed) throw new Error("the image should pass");
  return perCall(() => evaluatePolicy(policy, false, facts), 20_000);
}

/** With the image, so that no answer is remembered. */
const builderCondition =
  'predicate.runDetails.builder.id.startsWith("https://github.com/acme/") && image.registry == "registry.example.com"';

/** Milliseconds of one call, the median of single calls after as many to warm up. */
function perCall(call: (n: number) => unknown, times: number): number {
  for (let n = 0; n < times; n++) call(n);
  const taken = Array.from({ length: times }, (_, n) => {
    const start = performance.now();
    call(n);
    return performance.now() - start;
  });
  return median(taken);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function microseconds(value: number): string {
  return `${(value * 1000).toFixed(1)} µs`;
}

function row(what: string, ours: string, aim: string): Row {
  return { what, ours, theirs: "", ratio: "", aim };
}

if (import.meta.main)
  for (const { what, ours, aim } of await measurePolicies(7)) console.log(`${what}: ${ours} (${aim})`);
