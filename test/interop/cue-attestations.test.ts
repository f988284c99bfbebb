import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { imagePolicy } from "../support/foreign.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";

const password = "test-password";
const vuln = {
  invocation: { uri: "https://github.com/acme/run/1" },
  scanner: { uri: "pkg:scanner", version: "1", db: {}, result: { critical: 0, score: 1.5 } },
  metadata: { scanStartedOn: "2026-01-01T00:00:00Z", scanFinishedOn: "2026-01-01T00:01:00Z" },
};
const bom = {
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  version: 1,
  metadata: { component: { type: "file", name: "x" } },
};
const provenance = { builder: { id: "e2e-test" }, buildType: "b", invocation: { configSource: {} } };

/** A type of attestation, what is attested, and rules with what both say of it. */
const scenes: readonly (readonly [string, unknown, readonly (readonly [string, boolean])[]])[] = [
  [
    "vuln",
    vuln,
    [
      ['predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1"', true],
      ['predicateType: "cosign.sigstore.dev/attestation/vuln/v1"', false],
      ['predicate: invocation: uri: =~"^https://github.com/acme/"', true],
      ['predicate: invocation: uri: =~"^https://github.com/other/"', false],
      ["predicate: scanner: result: {critical: int & <1, score: >1}", true],
      ["predicate: scanner: result: critical: >0", false],
      ['predicate: metadata: scanFinishedOn: >="2026-01-01" & <"2027"', true],
      ['predicate: metadata: scanFinishedOn: <"2026"', false],
    ],
  ],
  [
    "slsaprovenance",
    provenance,
    [
      ['predicate: builder: id: "e2e-test"', true],
      ['predicate: buildType: "a" | "c"', false],
    ],
  ],
  [
    "cyclonedx",
    bom,
    [
      ['predicate: { metadata: component: name: "x", version: number }', true],
      ['predicate: { metadata: component: name: "y" }', false],
      ["predicate: version: string", false],
    ],
  ],
  [
    "https://example.com/own/v1",
    { "a-b": [1], ok: true, none: null, n: -1 },
    [
      ['predicate: {"a-b": !=null, ok: true, none: null, n: < -0.5}', true],
      ["predicate: none: string", false],
      ["predicate: ok: false | null", false],
    ],
  ],
];

/** Statements that cosign reads into a structure of its own, and writes otherwise, before CUE sees them. */
const rewritten: readonly (readonly [string, unknown, string])[] = [
  [
    "a time with zeros",
    { ...vuln, metadata: { ...vuln.metadata, scanStartedOn: "2026-01-01T00:00:00.000Z" } },
    'predicate: metadata: scanStartedOn: =~"000Z$"',
  ],
  [
    "a time with an offset of zero",
    { ...vuln, metadata: { ...vuln.metadata, scanStartedOn: "2026-01-01T00:00:00+00:00" } },
    'predicate: metadata: scanStartedOn: !="2026-01-01T00:00:00Z"',
  ],
  [
    "null in the place of a text",
    { ...vuln, invocation: { ...vuln.invocation, event_id: null } },
    "predicate: invocation: event_id: null",
  ],
];

describePeers(["cosign2", "docker-registry"], "attestations by cosign, judged by rules in CUE", () => {
  const folder = tempDir("interop-cue");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder.path, name), text);
    return name;
  };
  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (...args: string[]) => run(requirePeer("cosign2"), args, { env, cwd: folder.path });
  let registry: { host: string; stop(): Promise<void> };

  beforeAll(async () => {
    registry = await startDockerRegistry({});
    write("own.pem", newPrivateKey("p256").export({ type: "pkcs8", format: "pem" }).toString());
    const imported = await trust("key", "import", "--key", "own.pem", "--output-prefix", "own");
    expect(imported, imported.stderr).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await registry?.stop();
    folder.cleanup();
  });

  /** Exit codes of both for the image and the rule. */
  const judge = async (image: string, type: string, cue: string) => {
    const data = readFileSync(join(folder.path, "own.pub"), "utf8");
    const attestations = [{ name: "ruled", predicateType: type, policy: { type: "cue", data: cue } }];
    const policy = imagePolicy({ authorities: [{ name: "own", key: { data }, attestations }] });
    const ours = await trust("verify", "--policy", write("policy.yaml", JSON.stringify(policy)), image);
    const asked = ["--key", "own.pub", "--insecure-ignore-tlog", "--type", type, "--policy", write("rule.cue", cue)];
    return { ours, theirs: await cosign("verify-attestation", ...asked, image) };
  };
  const newImage = async (path: string): Promise<string> => {
    const name = `${registry.host}/cue/${path.replace(/\W/g, "")}`;
    return `${name}@${await pushImage(createHttpRegistry({}), parseReference(`${name}:1`), tinyImage(name))}`;
  };

  it.each(scenes)(
    "of type %s: what is admitted here, cosign admits by the same rule",
    async (type, predicate, rules) => {
      const image = await newImage(type);
      const file = write("predicate.json", JSON.stringify(predicate));
      const flags = ["--key", "own.key", "--tlog-upload=false", "--yes", "--type", type, "--predicate", file];
      const made = await cosign("attest", ...flags, image);
      expect(made, made.stderr).toMatchObject({ code: 0 });
      for (const [cue, admitted] of rules) {
        const { ours, theirs } = await judge(image, type, cue);
        expect(ours.code, `${cue}\n${ours.stdout}${ours.stderr}`).toBe(admitted ? 0 : 1);
        expect(theirs.code === 0, `${cue}\n${theirs.stderr}`).toBe(admitted);
      }
    },
  );

  it.each(rewritten)("with %s, are not admitted where cosign writes it anew", async (what, predicate, cue) => {
    const image = await newImage(what);
    const file = write("predicate.json", JSON.stringify(predicate));
    const made = await trust(
      "attest",
      "--key",
      "own.key",
      "--type",
      "vuln",
      "--predicate",
      file,
      "--format",
      "cosign",
      image,
    );
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const { ours, theirs } = await judge(image, "vuln", cue);
    expect(theirs.code, theirs.stderr).not.toBe(0);
    expect(theirs.stderr).toContain("validation errors");
    expect(ours.code, ours.stdout + ours.stderr).not.toBe(0);
  });
});
