import { exitCodeOf } from "../errors.ts";
import type { VerifiedAttestation } from "../formats/format.ts";
import { predicateKindOf } from "../formats/predicate-types.ts";
import { mapLimit } from "../oci/parallel.ts";
import { categoriesOf } from "../policy/verdict.ts";
import type { AttestationVerdict } from "../verify-attestations.ts";
import type { CommandContext } from "./command.ts";
import type { ImageJudge } from "./image-judge.ts";
import type { Output } from "./io.ts";
import { escapeControls, paint, plain, toJson } from "./print.ts";
import { formatVerdict } from "./print-verdict.ts";
import { createProgress } from "./progress.ts";

/** Two images with the largest attestations are as much as memory should hold. */
const concurrency = 2;

/** `trust verify --type`: judges and prints; the exit code. */
export async function verifyAttestations(
  context: CommandContext,
  judge: ImageJudge,
  type: string,
  images: readonly string[],
): Promise<number> {
  const { io, output } = context;
  const predicateType = predicateKindOf(type).uri;
  const progress = createProgress(context, "verifying", images.length);
  const waiting = new Map<number, AttestationVerdict>();
  let next = 0;
  if (output === "json") io.stdout.write("[");
  const categories = await mapLimit(images, concurrency, async (image, index) => {
    const result = await judge.verifyAttestations({ image, predicateType, signal: io.signal });
    progress.step(image);
    progress.clear();
    waiting.set(index, result);
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(++next)) {
      waiting.delete(next);
      if (output === "json" && next > 0) io.stdout.write(",");
      print(io.stdout, output, ready);
    }
    return categoriesOf(result.verdict);
  });
  if (output === "json") io.stdout.write("]\n");
  await judge.close();
  return exitCodeOf(categories.flat());
}

function print(output: Output, form: CommandContext["output"], { verdict, attestations }: AttestationVerdict): void {
  if (form === "table") {
    output.write(
      formatVerdict(output, verdict) + attestations.map((proof) => formatAttestation(output, proof)).join(""),
    );
    return;
  }
  // A statement may have megabytes: it is written as it is, never made into values.
  output.write(`${toJson(verdict).slice(0, -1)},"attestations":[`);
  for (const [index, { predicateType, signer, evidence, statement }] of attestations.entries()) {
    output.write(`${index > 0 ? "," : ""}${toJson({ predicateType, signer, evidence }).slice(0, -1)},"statement":`);
    writeJson(output, statement);
    output.write("}");
  }
  output.write(form === "jsonl" ? "]}\n" : "]}");
}

const pieceBytes = 1024 * 1024;

/** Writes checked JSON, made harmless for terminals, on one line. */
function writeJson(output: Output, json: Uint8Array): void {
  const decoder = new TextDecoder();
  for (let at = 0; at < json.length; at += pieceBytes) {
    const piece = decoder.decode(json.subarray(at, at + pieceBytes), { stream: true });
    // Outside of strings a line break is white space, inside there is none.
    output.write(escapeControls(piece).replace(/[\r\n]/g, " "));
  }
}

function formatAttestation(output: Output, { predicateType, evidence, statement }: VerifiedAttestation): string {
  const about = `${predicateType}  ${evidence}  ${statement.length} bytes`;
  return `  ${paint(output, "green", "attested".padEnd(9))}${plain(about)}\n`;
}
