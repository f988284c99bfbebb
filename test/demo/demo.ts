/**
 * The main job from one command: a registry, images, signatures, a policy, a webhook over TLS, an audit. Every step runs the
 * product's own command line in a process of its own. Exit code 0 only if every outcome was the expected one.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { type BuiltImage, pushImage } from "../support/images.ts";
import { githubClaims, githubIssuer } from "../support/sigstore/claims.ts";
import { startSigstore } from "../support/sigstore/index.ts";
import { cronJob, deployment, images, pod, policy } from "./scene.ts";
import { type Admission, pad, patched, type RunningServer, review, say, serve, sumOfMetric, trust } from "./stage.ts";

const workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
const home = mkdtempSync(join(tmpdir(), "trust-demo-"));
const servers: RunningServer[] = [];
const surprises: string[] = [];
const counts = { signatures: 0, reviews: 0 };
const started = performance.now();

function expect(what: string, holds: boolean): void {
  if (holds) return;
  surprises.push(what);
  say.fail(what);
}

/** Runs a command, shows it, and expects an exit code. */
async function run(expected: number, ...args: string[]) {
  say.command(args);
  const result = await trust(home, ...args);
  expect(
    `trust ${args[0]} ended with ${result.code} instead of ${expected}: ${result.stderr}`,
    result.code === expected,
  );
  return result;
}

async function push(
  registry: string,
  { name, image }: { readonly name: string; readonly image: BuiltImage },
): Promise<void> {
  const layout = join(home, "layouts", `${name.replace(/\W/g, "-")}-${image.descriptor.digest.slice(7, 19)}`);
  await pushImage(await openLayout(layout, { create: true }), parseReference(`${registry}/${name}`), image);
  const { code, stderr } = await trust(home, "push", layout, `${registry}/${name}`);
  expect(`trust push of ${name}: ${stderr}`, code === 0);
  say.good(`${pad(name, 52)} ${image.descriptor.digest.slice(0, 19)}…  ${image.blobs.length - 1} layers`);
}

async function prepare(): Promise<string> {
  say.title("1  A registry");
  const args = ["registry", "serve", "--storage", join(home, "registry"), "--listen", "127.0.0.1:0"];
  say.command(["registry", "serve", "--storage", "./registry"]);
  const server = await serve(home, ...args);
  servers.push(server);
  const registry = new URL(server.url).host;
  say.good(`listening on ${server.url}`);

  say.title("2  Keys");
  for (const name of ["release", "stranger"]) await run(0, "key", "generate", "--output-prefix", name);

  say.title("3  Images");
  for (const key of ["spring", "foo", "unsigned", "stranger", "moved"] as const) await push(registry, images[key]);
  return registry;
}

async function signAll(registry: string): Promise<void> {
  say.title("4  Signatures");
  const name = (key: keyof typeof images) => `${registry}/${images[key].name}`;
  const release = [name("spring"), name("foo"), name("moved")];
  const signed = await run(
    0,
    "sign",
    "--key",
    "release.key",
    "--format",
    "bundle",
    "--format",
    "cosign",
    "-a",
    "pipeline=demo",
    ...release,
  );
  say.output(signed.stdout);
  counts.signatures += 2 * release.length;
  say.output((await run(0, "sign", "--key", "stranger.key", name("stranger"))).stdout);
  counts.signatures += 1;
  say.line("  …and somebody moves a tag after it was signed:");
  await push(registry, images.swapped);
  const verified = await run(0, "verify", "--key", "release.pub", name("spring"));
  say.output(verified.stdout);
}

/** A Sigstore of the demo's own: authority, certificate log, transparency log and timestamp authority, on loopback. */
async function signWithoutKey(registry: string): Promise<void> {
  say.line("  …and a CI job signs without a key, as itself, witnessed by a log and a timestamp authority:");
  const sigstore = await startSigstore();
  try {
    writeFileSync(join(home, "sigstore.json"), JSON.stringify(sigstore.trustedRoot));
    writeFileSync(join(home, "services.json"), JSON.stringify(sigstore.signingConfig()));
    writeFileSync(join(home, "token"), sigstore.identityToken(githubClaims()));
    const image = `${registry}/${images.spring.name}`;
    const root = ["--trusted-root", "sigstore.json"];
    const token = ["--identity-token", "token", "--signing-config", "services.json"];
    say.output((await run(0, "sign", ...token, ...root, image)).stdout);
    counts.signatures += 1;
    const who = ["--certificate-identity", workflow, "--certificate-oidc-issuer", githubIssuer];
    say.output((await run(0, "verify", ...who, ...root, image)).stdout);
    const other = ["--certificate-identity", `${workflow}-beta`, "--certificate-oidc-issuer", githubIssuer];
    await run(1, "verify", ...other, ...root, image);
  } finally {
    await sigstore.stop();
  }
}

async function startWebhook(registry: string): Promise<RunningServer> {
  say.title("5  A policy and an admission webhook");
  mkdirSync(join(home, "policies"));
  writeFileSync(join(home, "policies/production.yaml"), policy(registry));
  say.output(policy(registry));
  const flags = ["--policy", "policies", "--cert-dir", "certs", "--allow-registry", registry];
  say.command(["webhook", "serve", ...flags]);
  const server = await serve(home, "webhook", "serve", ...flags, "--listen", "127.0.0.1:0");
  servers.push(server);
  say.good(`listening on ${server.url}, with a certificate of its own`);
  return server;
}

interface Scene {
  readonly title: string;
  readonly object: object;
  /** The digest it must be pinned to, or the code it must be refused with. */
  readonly expected: { readonly pinned: string } | { readonly refused: string };
}

function scenes(registry: string): readonly Scene[] {
  const name = (key: keyof typeof images) => `${registry}/${images[key].name}`;
  const pinned = (key: keyof typeof images) => ({ pinned: images[key].image.descriptor.digest });
  const foo = images.foo.image.descriptor.digest;
  return [
    {
      title: "Deployment spring-boot-kubernetes, 3 replicas",
      object: deployment("spring-boot", name("spring")),
      expected: pinned("spring"),
    },
    { title: "Pod foo", object: pod("foo", name("foo")), expected: pinned("foo") },
    { title: "Pod foo, by digest", object: pod("foo", `${registry}/team/foo@${foo}`), expected: pinned("foo") },
    {
      title: "CronJob report, image never signed",
      object: cronJob("report", name("unsigned")),
      expected: { refused: "NO_SIGNATURE" },
    },
    {
      title: "Pod tool, signed by a stranger",
      object: pod("tool", name("stranger")),
      expected: { refused: "SIGNER_NOT_TRUSTED" },
    },
    {
      title: "Pod gateway, tag moved after signing",
      object: pod("gateway", name("swapped")),
      expected: { refused: "NO_SIGNATURE" },
    },
    {
      title: "Pod foo with an unsigned init container",
      object: pod("foo", name("foo"), name("unsigned")),
      expected: { refused: "NO_SIGNATURE" },
    },
    {
      title: "Pod with an image no policy speaks about",
      object: pod("other", "quay.example/other:1"),
      expected: { refused: "NO_POLICY" },
    },
    {
      title: "Pod with an image that does not exist",
      object: pod("ghost", `${registry}/team/ghost:1`),
      expected: { refused: "IMAGE_NOT_FOUND" },
    },
  ];
}

/** What the API server does: mutate, apply the patch, validate. */
async function admit(webhook: RunningServer, object: object): Promise<Admission & { readonly pins: string }> {
  const ca = join(home, "certs/ca.crt");
  const mutated = await review(webhook, ca, "mutate", object);
  counts.reviews += 1;
  if (!mutated.allowed) return { ...mutated, pins: "" };
  const final = patched(object, mutated.patch);
  counts.reviews += 1;
  return { ...(await review(webhook, ca, "validate", final)), pins: JSON.stringify(final) };
}

async function admissions(registry: string, webhook: RunningServer): Promise<void> {
  say.title("6  Who is admitted");
  for (const { title, object, expected } of scenes(registry)) {
    const answer = await admit(webhook, object);
    if ("pinned" in expected) {
      const ok = answer.allowed && answer.pins.includes(`@${expected.pinned}`);
      say.good(`${pad(title, 48)} ${answer.allowed ? `pinned to ${expected.pinned.slice(0, 19)}…` : answer.message}`);
      expect(`${title} should be admitted and pinned: ${answer.message}`, ok);
    } else {
      say.bad(`${title}`);
      say.output(`  ${answer.message}`);
      expect(
        `${title} should be refused with ${expected.refused}: ${answer.message}`,
        !answer.allowed && answer.message.includes(expected.refused),
      );
    }
  }
}

async function audit(registry: string): Promise<void> {
  say.title("7  What else is there that nobody trusted signed");
  const { stdout } = await run(1, "audit", "registry", registry, "--policy", "policies");
  say.output(stdout);
  const names = [images.spring.name, images.foo.name, images.unsigned.name, images.stranger.name, images.moved.name];
  for (const name of names) expect(`the audit does not list ${name}`, stdout.includes(name));
}

const warmReviews = 300;

async function numbers(registry: string, webhook: RunningServer): Promise<void> {
  const object = deployment("spring-boot", `${registry}/${images.spring.name}`);
  const times: number[] = [];
  for (let i = 0; i < warmReviews; i++)
    times.push((await review(webhook, join(home, "certs/ca.crt"), "mutate", object)).milliseconds);
  counts.reviews += warmReviews;
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
  say.title("8  Numbers");
  say.line(`  signatures made      ${counts.signatures}`);
  say.line(`  reviews answered     ${counts.reviews}`);
  say.line(`  registry requests    ${await registryRequests(webhook)} by the webhook, for all of them`);
  say.line(`  warm review          p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, over a kept TLS connection`);
}

function registryRequests(webhook: RunningServer): Promise<number> {
  return sumOfMetric(webhook, join(home, "certs/ca.crt"), "registry_requests_total");
}

try {
  const registry = await prepare();
  await signAll(registry);
  await signWithoutKey(registry);
  const webhook = await startWebhook(registry);
  await admissions(registry, webhook);
  await audit(registry);
  await numbers(registry, webhook);
} catch (error) {
  expect(String(error instanceof Error ? error.stack : error), false);
} finally {
  for (const server of servers.reverse()) await server.stop();
  rmSync(home, { recursive: true, force: true });
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (surprises.length === 0) say.title(`Every outcome was the expected one (${seconds} s).`);
else say.title(`${surprises.length} outcomes were not the expected ones (${seconds} s).`);
process.exitCode = surprises.length === 0 ? 0 : 1;
