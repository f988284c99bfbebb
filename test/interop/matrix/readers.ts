import { join } from "node:path";
import { type Cell, groupBy, inParallel, isBundle, isSeparate, type Outcome, type Tool } from "./cells.ts";
import { type MatrixStage, predicateType, type Target } from "./stage.ts";

/** Type of the statement inside a bundle that cosign 3 and we write as a signature. */
const signType = "https://sigstore.dev/cosign/sign/v1";

type Read = (
  stage: MatrixStage,
  target: Target,
  key: string,
) => Promise<{ readonly code: number; readonly stderr: string }>;

/** How each peer is told to verify one artifact with a public key; `trust` reads many at once, below. */
const readers: Readonly<Record<Exclude<Tool, "trust">, Read>> = {
  "cosign 2.5"(stage, { kind, shape, image }, key) {
    const flags = ["--key", `${key}.pub`, "--insecure-ignore-tlog"];
    const experiment = shape === "oci-1-1" ? ["--experimental-oci11"] : [];
    // Its `verify` reads no bundles at all; a signature in a bundle is a statement, which `verify-attestation` reads.
    const bundle = isBundle(shape) ? ["--new-bundle-format", "--trusted-root", "empty-root.json"] : [];
    const type = kind === "signature" ? signType : predicateType;
    const command =
      kind === "signature" && !isBundle(shape)
        ? ["verify", ...experiment]
        : ["verify-attestation", ...bundle, "--type", type];
    return stage.peer("cosign2", shape, [...command, ...flags, image]);
  },
  "cosign 3.1"(stage, { kind, shape, image }, key) {
    const flags = ["--key", `${key}.pub`, "--insecure-ignore-tlog"];
    const experiment = shape === "oci-1-1" ? ["--experimental-oci11"] : [];
    const command = kind === "signature" ? ["verify", ...experiment] : ["verify-attestation", "--type", predicateType];
    return stage.peer("cosign3", shape, [...command, ...flags, image]);
  },
  skopeo(stage, { shape, image, repository }, key) {
    const out = join(stage.folder, "pulled", `${repository.replaceAll(/\W/g, "-")}-${key}`);
    const head = ["--registries.d", "registries.d", "--policy", `${key}.policy.json`, "copy"];
    return stage.peer("skopeo", shape, [...head, "--src-tls-verify=false", `docker://${image}`, `dir:${out}`]);
  },
};

interface PrintedVerdict {
  readonly outcome: string;
}

/** Verifies images of one kind, in one place, by one key in one call. */
async function trustReads(stage: MatrixStage, targets: readonly Target[], key: string): Promise<readonly Outcome[]> {
  const [first] = targets;
  if (first === undefined) return [];
  const type = first.kind === "attestation" ? ["--type", predicateType] : [];
  const images = targets.map(({ image }) => image);
  const args = ["verify", "--key", `${key}.pub`, ...type, "--output", "json", ...images];
  const { stdout, stderr } = await stage.trust(first.shape, args);
  const verdicts = JSON.parse(stdout) as readonly PrintedVerdict[];
  return targets.map((_, i) => ({
    accepted: verdicts[i]?.outcome === "allow",
    said: JSON.stringify(verdicts[i]) + stderr,
  }));
}

export type Measured = Cell & Outcome;

/** Has every tool read every artifact, with the key that `keyOf` names. */
export async function readAll(
  stage: MatrixStage,
  targets: readonly Target[],
  width: number,
  keyOf: (target: Target) => string = ({ key }) => key,
): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  const add = ({ shape, key, kind, writer }: Target, reader: Tool, { accepted, said }: Outcome) =>
    void measured.push({ shape, key, kind, writer, reader, accepted, said });
  const calls = groupBy(targets, (target) => [keyOf(target), target.kind, isSeparate(target.shape)].join());
  for (const group of calls.values()) {
    const [first] = group;
    if (first === undefined) continue;
    const outcomes = await trustReads(stage, group, keyOf(first));
    for (const [i, target] of group.entries()) add(target, "trust", outcomes[i] ?? { accepted: false, said: "" });
  }
  const jobs = targets.flatMap((target) =>
    (Object.keys(readers) as (keyof typeof readers)[]).map((reader) => ({ target, reader })),
  );
  await inParallel(jobs, width, async ({ target, reader }) => {
    const { code, stderr } = await readers[reader](stage, target, keyOf(target));
    add(target, reader, { accepted: code === 0, said: stderr });
  });
  return measured;
}
