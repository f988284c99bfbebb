import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cosign } from "../../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../../src/formats/sigstore-bundle.ts";
import { loadPolicies } from "../../../src/policy/load.ts";
import { signImage } from "../../../src/sign.ts";
import { foreignRoot, imagePolicy, pem, sigstoreKeysOf } from "../../support/foreign.ts";
import { tempDir } from "../../support/process.ts";
import { newSigner } from "../../support/signers.ts";
import { createWorld } from "../../support/sigstore/world.ts";
import { openStage, type Stage } from "../../support/stage.ts";

const [alice, bob] = [newSigner(), newSigner()];
const folder = tempDir("foreign-pipeline");
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

/** The policies of one folder, each in a file of its own. */
async function policiesOf(name: string, ...documents: readonly object[]) {
  const path = join(folder.path, name);
  mkdirSync(path);
  for (const [index, document] of documents.entries())
    writeFileSync(join(path, `${index}.json`), JSON.stringify(document));
  return loadPolicies([name], folder.path);
}

const native = (signer: typeof alice) => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "ClusterTrustPolicy",
  metadata: { name: "native" },
  spec: { images: [{ glob: "**" }], authorities: [{ name: "n", key: { data: pem(signer) } }] },
});
const foreign = (spec: object) => imagePolicy(spec, "foreign");
const sign = (image: Awaited<ReturnType<Stage["newImage"]>>, signer: typeof alice, format = sigstoreBundle) =>
  signImage(stage.registry, { image: image.ref, signer, formats: [format], annotations: {}, now: stage.clock.now });

describe("policies of policy-controller beside native ones", () => {
  it("must pass as well, each by its own signers, whatever the form of the signatures", async () => {
    const { policies } = await policiesOf(
      "both",
      native(alice),
      foreign({ authorities: [{ key: { data: pem(bob) } }] }),
    );
    const image = await stage.newImage("prod/app:1");
    await sign(image, alice);
    const half = await stage.verifier(policies).verify({ image: image.text });
    expect(half).toMatchObject({
      outcome: "deny",
      status: "untrusted",
      policies: [
        { name: "foreign", passed: false, findings: [{ code: "SIGNER_NOT_TRUSTED", authority: "authority-0" }] },
        { name: "native", passed: true },
      ],
    });
    await sign(image, bob, cosign);
    const whole = await stage.verifier(policies).verify({ image: image.text });
    expect(whole).toMatchObject({ outcome: "allow", status: "trusted", unsafe: [] });
    expect(whole.policies.map(({ satisfiedBy }) => satisfiedBy.map(({ authority }) => authority))).toEqual([
      ["authority-0"],
      ["n"],
    ]);
  });

  it("are the match that the default asks for, in mode enforce alone", async () => {
    const pass = { authorities: [{ static: { action: "pass", message: "until the move" } }] };
    const enforced = await policiesOf("enforced", foreign(pass));
    const warned = await policiesOf("warned", foreign({ ...pass, mode: "warn" }));
    expect(await stage.verifier(enforced.policies).verify({ image: "ghcr.io/x" })).toMatchObject({
      outcome: "allow",
      status: "static",
    });
    expect(await stage.verifier(warned.policies).verify({ image: "ghcr.io/x" })).toMatchObject({ status: "no-policy" });
  });

  it("refuse what they cannot judge before any request leaves, as a matter of the verifier and not of the image", async () => {
    const rule = { authorities: [{ key: { data: pem(alice) } }], policy: { type: "rego", data: "package sigstore" } };
    const { policies } = await policiesOf("ruled", foreign(rule));
    stage.requests.length = 0;
    const verdict = await stage.verifier(policies).verify({ image: `${stage.host}/prod/app:1` });
    expect(verdict).toMatchObject({
      outcome: "deny",
      status: "unavailable",
      policies: [{ findings: [{ code: "POLICY_NOT_EVALUABLE", category: "config" }] }],
    });
    expect(stage.requests).toEqual([]);
  });

  it("share trust roots with native ones, by name and from any file", async () => {
    const keyless = { trustRoot: "own", identities: [{ issuer: "https://i", subject: "s" }] };
    const root = foreignRoot("own", { sigstoreKeys: sigstoreKeysOf(createWorld()) });
    const base = native(alice);
    const withRoot = { ...base, spec: { ...base.spec, authorities: [{ name: "k", keyless }] } };
    const { policies } = await policiesOf("roots", withRoot, root);
    expect(policies[0]?.authorities[0]).toMatchObject({ kind: "keyless", root: { name: "own" } });
  });
});
