import { type Artifact, groupBy, inParallel, isBundle, type Tool } from "./cells.ts";
import { type MatrixStage, predicateType, type Target } from "./stage.ts";

type Write = (
  stage: MatrixStage,
  targets: readonly [Target, ...Target[]],
) => Promise<{ readonly code: number; readonly stderr: string }>;

const key = ({ key: name }: Artifact): readonly string[] => ["--key", `${name}.key`];
const predicate = ["--type", predicateType, "--predicate", "predicate.json"];
const imagesOf = (targets: readonly Target[]) => targets.map(({ image }) => image);

/** How each tool is told to write one or several artifacts of one kind, by one key, in one form. */
const writers: Readonly<Record<Tool, Write>> = {
  trust(stage, targets) {
    const [first] = targets;
    const format = ["--format", isBundle(first.shape) ? "bundle" : "cosign"];
    const command = first.kind === "signature" ? ["sign"] : ["attest", ...predicate];
    return stage.trust(first.shape, [...command, ...key(first), ...format, ...imagesOf(targets)]);
  },
  "cosign 2.5"(stage, targets) {
    const [first] = targets;
    const flags = [...key(first), "--tlog-upload=false", "--yes"];
    const referrers = first.shape === "oci-1-1" ? ["--registry-referrers-mode", "oci-1-1"] : [];
    const bundle = isBundle(first.shape) ? ["--new-bundle-format"] : [];
    const command = first.kind === "signature" ? ["sign", ...referrers] : ["attest", ...predicate, ...bundle];
    return stage.peer("cosign2", first.shape, [...command, ...flags, ...imagesOf(targets)]);
  },
  "cosign 3.1"(stage, targets) {
    const [first] = targets;
    const flags = [...key(first), "--tlog-upload=false", "--use-signing-config=false", "--yes"];
    const referrers = first.shape === "oci-1-1" ? ["--registry-referrers-mode", "oci-1-1"] : [];
    const bundle = `--new-bundle-format=${isBundle(first.shape)}`;
    const command = first.kind === "signature" ? ["sign", ...referrers] : ["attest", ...predicate];
    return stage.peer("cosign3", first.shape, [...command, bundle, ...flags, ...imagesOf(targets)]);
  },
  skopeo(stage, [target]) {
    const name = `docker://${target.repository}:1`;
    const plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    const signing = ["--sign-by-sigstore-private-key", `${target.key}.key`, "--sign-passphrase-file", "passphrase"];
    const head = ["--insecure-policy", "--registries.d", "registries.d", "copy"];
    return stage.peer("skopeo", target.shape, [...head, ...plain, ...signing, name, name]);
  },
};

/** What one call of a tool can write together. */
function callOf(target: Target): string {
  const { writer, kind, key: name, shape, image } = target;
  if (writer === "skopeo") return image;
  const form = shape === "referrers-api" || shape === "fallback-tag" ? "bundle" : shape;
  return [writer, kind, name, form].join();
}

/** Writes every artifact with the tool that it is by; throws what a tool said that could not. */
export async function writeAll(stage: MatrixStage, targets: readonly Target[], width: number): Promise<void> {
  const calls = [...groupBy(targets, callOf).values()];
  await inParallel(calls, width, async ([first, ...rest]) => {
    if (first === undefined) return;
    const { code, stderr } = await writers[first.writer](stage, [first, ...rest]);
    if (code !== 0)
      throw new Error(`${first.writer} did not write ${first.kind} ${first.shape} ${first.key}: ${stderr}`);
  });
}
