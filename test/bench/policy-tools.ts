import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { formatEvidence } from "../../src/policy-tools/evidence-file.ts";
import { recordImages } from "../../src/policy-tools/record.ts";
import { signImage } from "../../src/sign.ts";
import { tempDir } from "../support/process.ts";
import { keyed } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";
import { openStage } from "../support/stage.ts";
import { compare, ms, type Row } from "./compare.ts";

const cases = 200;

/** `trust policy test` as a whole process: images each with a signature of its own, half of them by nobody who is trusted. */
export async function measurePolicyTools(dist: string, rounds: number): Promise<readonly Row[]> {
  const folder = tempDir("trust-bench-policy-tests-");
  const stage = await openStage();
  try {
    const [alice, mallory] = [newSigner(), newSigner()];
    const images = Array.from({ length: cases }, (_, n) => ({ name: `${stage.host}/team-${n % 20}/app:${n}`, n }));
    for (const { name, n } of images) {
      await stage.newImage(name.slice(stage.host.length + 1));
      const signer = n % 2 === 0 ? alice : mallory;
      await signImage(stage.registry, { image: parseReference(name), signer, formats: [sigstoreBundle], now: 0 });
    }
    const recorded = await recordImages(stage.registry, {
      images: images.map(({ name }) => parseReference(name)),
      now: () => 0,
    });
    const write = (name: string, content: string) => writeFileSync(join(folder.path, name), content);
    write("all.evidence.json", formatEvidence(recorded));
    write("policy.json", JSON.stringify(policyFor(`${stage.host}/**`, keyed("alice", alice))));
    write("test.json", JSON.stringify(testOf(images)));
    const args = [dist, "policy", "test", join(folder.path, "test.json")];
    const [figures] = await compare(
      [{ name: "trust policy test", file: process.execPath, args }],
      Math.min(rounds, 11),
    );
    if (figures === undefined) return [];
    const what = `trust policy test, ${cases} recorded cases, one process`;
    return [{ what, ours: ms(figures), theirs: "", ratio: "", aim: "≤ 1 s" }];
  } finally {
    await stage.close();
    folder.cleanup();
  }
}

function policyFor(glob: string, authority: object): object {
  const spec = { images: [{ glob }], authorities: [authority] };
  return { apiVersion: "imagetrust.dev/v1alpha1", kind: "ClusterTrustPolicy", metadata: { name: "bench" }, spec };
}

function testOf(images: readonly { readonly name: string; readonly n: number }[]): object {
  return {
    kind: "PolicyTest",
    policies: ["policy.json"],
    evidence: ["all.evidence.json"],
    now: "2026-01-01T00:00:00Z",
    cases: images.map(({ name, n }) => ({
      name,
      image: name,
      expect: n % 2 === 0 ? { outcome: "allow", status: "trusted" } : { outcome: "deny", code: "SIGNER_NOT_TRUSTED" },
    })),
  };
}
