/**
 * Ratios against peers and floors, side by side in one run. Needs `npm run build`; rows that need a peer are left out, saying so,
 * where test/peers/install.sh has not put it.
 */
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { peer } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { measureAdmission } from "./admission.ts";
import { type Command, compare, ms, printTable, type Row } from "./compare.ts";
import { measureCopies } from "./copy.ts";
import { measureKeyless } from "./keyless.ts";
import { measureKeylessVerify } from "./keyless-verify.ts";
import { measureMany } from "./many.ts";
import { measurePolicies } from "./policy.ts";
import { measurePolicyTools } from "./policy-tools.ts";
import { countColdRequests } from "./requests.ts";
import { startStage } from "./stage.ts";

const dist = join(import.meta.dirname, "../../dist/trust.cjs");
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 21);

if (!existsSync(dist)) {
  console.error("dist/trust.cjs is missing: npm run build");
  process.exit(3);
}

const node: Command = { name: "node -e 0", file: process.execPath, args: ["-e", "0"] };
const trust = (...args: string[]): Command => ({
  name: `trust ${args[0]}`,
  file: process.execPath,
  args: [dist, ...args],
});
const rows: Row[] = [];

const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
console.log(`${new Date().toISOString().slice(0, 10)}, ${machine}, ${rounds} rounds, medians (min–max)\n`);

const [version, floor] = await compare([trust("--version"), node], rounds);
if (version !== undefined && floor !== undefined)
  rows.push({
    what: "start: --version | node -e 0",
    ours: ms(version),
    theirs: ms(floor),
    ratio: (version.median / floor.median).toFixed(2),
    aim: "",
  });

const folder = tempDir("trust-bench-");
const stage = await startStage(dist, folder.path);
try {
  const image = `${stage.host}/bench/app:1`;
  await pushImage(createHttpRegistry({}), parseReference(image), tinyImage("bench"));
  const env = { ...process.env, TRUST_PASSWORD: "bench", COSIGN_PASSWORD: "bench", HOME: folder.path };
  const key = join(folder.path, "bench");
  const made = [
    ["key", "generate", "--output-prefix", key],
    ["sign", "--key", `${key}.key`, image],
  ];
  for (const args of made) {
    const { code, stderr } = await run(process.execPath, [dist, ...args], { env });
    if (code !== 0) throw new Error(stderr);
  }
  const ours = { ...trust("verify", "--key", `${key}.pub`, image), env };
  const cosign3 = peer("cosign3");
  if (cosign3 === undefined)
    console.log("cosign3 is missing (bash test/peers/install.sh cosign3): no comparison with it\n");
  else {
    const theirs: Command = {
      name: "cosign verify",
      file: cosign3,
      args: ["verify", "--key", `${key}.pub`, "--insecure-ignore-tlog", "--allow-http-registry", image],
      env,
    };
    const [a, b] = await compare([ours, theirs], rounds);
    if (a !== undefined && b !== undefined)
      rows.push({
        what: "verify one image, one process | cosign 3",
        ours: ms(a),
        theirs: ms(b),
        ratio: (a.median / b.median).toFixed(2),
        aim: "≤ 1.5",
      });
  }
  for (const { what, requests } of await countColdRequests(stage.host))
    rows.push({ what, ours: `${requests}`, theirs: "", ratio: "", aim: "1 head, 1 per place, then signatures" });
} finally {
  await stage.stop();
  folder.cleanup();
}

const admission = await measureAdmission();
rows.push({
  what: "warm admission over TLS | echo of the body",
  ours: `${admission.webhook.perSecond.toFixed(0)}/s, p50 ${admission.webhook.p50.toFixed(2)}, p99 ${admission.webhook.p99.toFixed(2)} ms`,
  theirs: `${admission.echo.perSecond.toFixed(0)}/s, p50 ${admission.echo.p50.toFixed(2)}, p99 ${admission.echo.p99.toFixed(2)} ms`,
  ratio: (admission.webhook.perSecond / admission.echo.perSecond).toFixed(2),
  aim: "≥ 0.70",
});
rows.push(...(await measureMany(dist, Math.min(rounds, 11))));
rows.push(...(await measureCopies(dist, Math.min(rounds, 5))));
rows.push(...(await measureKeyless()));
rows.push(...(await measureKeylessVerify(dist, rounds)));
rows.push(...(await measurePolicies(rounds)));
rows.push(...(await measurePolicyTools(dist, rounds)));
printTable(rows);
