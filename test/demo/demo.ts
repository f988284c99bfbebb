/**
 * The main job from one command: a registry, images, signatures, a policy, a webhook over TLS, an audit. Every step runs the
 * product's own command line in a process of its own. Exit code 0 only if every outcome was the expected one.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keylessPolicy, signWithoutKeys } from "./keyless.ts";
import { expect, type Play, push, run } from "./play.ts";
import { cronJob, deployment, images, pod, policy } from "./scene.ts";
import { type Admission, pad, patched, type RunningServer, review, say, serve, sumOfMetric } from "./stage.ts";
import { testPolicies } from "./test-policies.ts";

const home = mkdtempSync(join(tmpdir(), "trust-demo-"));
const servers: RunningServer[] = [];
const play: Play = { home, surprises: [], counts: { signatures: 0, reviews: 0 } };
const { counts, surprises } = play;
const started = performance.now();

async function prepare(): Promise<string> {
  say.title("1  A registry");
  const args = ["registry", "serve", "--storage", join(home, "registry"), "--listen", "127.0.0.1:0"];
  say.command(["registry", "serve", "--storage", "./registry"]);
  const server = await serve(home, ...args);
  servers.push(server);
  const registry = new URL(server.url).host;
  say.good(`listening on ${server.url}`);

  say.title("2  Keys");
  for (const name of ["release", "stranger"]) await run(play, 0, "key", "generate", "--output-prefix", name);

  say.title("3  Images");
  for (const key of ["spring", "foo", "unsigned", "stranger", "moved"] as const)
    await push(play, registry, images[key]);
  return registry;
}

async function signAll(registry: string): Promise<void> {
  say.title("4  Signatures");
  const name = (key: keyof typeof images) => `${registry}/${images[key].name}`;
  const release = [name("spring"), name("foo"), name("moved")];
  const signed = await run(
    play,
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
  say.output((await run(play, 0, "sign", "--key", "stranger.key", name("stranger"))).stdout);
  counts.signatures += 1;
  say.line("  …and somebody moves a tag after it was signed:");
  await push(play, registry, images.swapped);
  const verified = await run(play, 0, "verify", "--key", "release.pub", name("spring"));
  say.output(verified.stdout);
}

async function startWebhook(registry: string): Promise<RunningServer> {
  say.title("6  Policies and an admission webhook");
  mkdirSync(join(home, "policies"));
  writeFileSync(join(home, "policies/production.yaml"), policy(registry));
  copyFileSync(join(home, "trust-root.json"), join(home, "policies/trust-root.json"));
  writeFileSync(join(home, "policies/ci.yaml"), keylessPolicy(registry));
  say.output(`${policy(registry)}---\n${keylessPolicy(registry)}`);
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
      title: "Deployment web, signed and attested by CI",
      object: deployment("web", name("web")),
      expected: pinned("web"),
    },
    {
      title: "Pod web, signed by the workflow of a branch",
      object: pod("web", name("branch")),
      expected: { refused: "SIGNER_NOT_TRUSTED" },
    },
    {
      title: "Pod web, signed by CI, built from somebody's folder",
      object: pod("web", name("handmade")),
      expected: { refused: "CONDITION_NOT_MET" },
    },
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
  say.title("7  Who is admitted");
  for (const { title, object, expected } of scenes(registry)) {
    const answer = await admit(webhook, object);
    if ("pinned" in expected) {
      const ok = answer.allowed && answer.pins.includes(`@${expected.pinned}`);
      say.good(`${pad(title, 48)} ${answer.allowed ? `pinned to ${expected.pinned.slice(0, 19)}…` : answer.message}`);
      expect(play, `${title} should be admitted and pinned: ${answer.message}`, ok);
    } else {
      say.bad(`${title}`);
      say.output(`  ${answer.message}`);
      expect(
        play,
        `${title} should be refused with ${expected.refused}: ${answer.message}`,
        !answer.allowed && answer.message.includes(expected.refused),
      );
    }
  }
}

async function audit(registry: string): Promise<void> {
  say.title("9  What else is there that nobody trusted signed");
  const { stdout } = await run(play, 1, "audit", "registry", registry, "--policy", "policies");
  say.output(stdout);
  const names = [
    images.spring.name,
    images.foo.name,
    images.unsigned.name,
    images.stranger.name,
    images.moved.name,
    images.web.name,
  ];
  for (const name of names) expect(play, `the audit does not list ${name}`, stdout.includes(name));
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
  say.title("10  Numbers");
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
  await signWithoutKeys(play, registry);
  const webhook = await startWebhook(registry);
  await admissions(registry, webhook);
  await testPolicies(play, registry);
  await audit(registry);
  await numbers(registry, webhook);
} catch (error) {
  expect(play, String(error instanceof Error ? error.stack : error), false);
} finally {
  for (const server of servers.reverse()) await server.stop();
  rmSync(home, { recursive: true, force: true });
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (surprises.length === 0) say.title(`Every outcome was the expected one (${seconds} s).`);
else say.title(`${surprises.length} outcomes were not the expected ones (${seconds} s).`);
process.exitCode = surprises.length === 0 ? 0 : 1;
