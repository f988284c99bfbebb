import { exitCodeOf, TrustError } from "../../errors.ts";
import type { VerifiedAttestation } from "../../formats/format.ts";
import { predicateKindOf } from "../../formats/predicate-types.ts";
import { statedTime } from "../../formats/stated-time.ts";
import { predicateOf } from "../../formats/statement.ts";
import { categoriesOf } from "../../policy/verdict.ts";

import { defineCommand } from "../command.ts";
import { createImageJudge } from "../image-judge.ts";
import type { Output } from "../io.ts";
import { bundleOption, openVerifier, policyOptions } from "../policies.ts";
import { escapeControls } from "../print.ts";
import { formatVerdict } from "../print-verdict.ts";
import { registryOptions } from "../registry.ts";

const pieceBytes = 1024 * 1024;

export const command = defineCommand({
  name: "attestation get",
  summary: "print what a verified attestation says",
  description:
    "Verifies the attestations of an image, as trust verify --type does, and prints the predicate of the newest one, " +
    "byte for byte as it was signed. Nothing is printed that was not proved. Newest is what a log or a timestamp " +
    "proves to be so, else what the predicate itself says. Exit code 1: there is none that counts.",
  examples: [
    {
      about: "The SBOM that the build attested to",
      command: "trust attestation get --key ci.pub --type spdxjson registry.example.com/app:1.2 > sbom.spdx.json",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest" } },
  options: {
    type: {
      value: "TYPE",
      summary: "type of the predicate: spdxjson, cyclonedx, slsaprovenance1, vuln, … or a URI",
      required: true,
    },
    all: { summary: "print every one that counts, the newest first, each on lines of its own" },
    ...policyOptions,
    ...bundleOption,
    ...registryOptions,
  },
  async run(context, { image }, options) {
    const { io } = context;
    const predicateType = predicateKindOf(options.type).uri;
    const judge = createImageJudge(context, await openVerifier(context, options), options);
    const { verdict, attestations } = await judge.verifyAttestations({ image, predicateType, signal: io.signal });
    await judge.close();
    const code = exitCodeOf(categoriesOf(verdict));
    if (code !== 0 || attestations.length === 0) {
      io.stderr.write(formatVerdict(io.stderr, verdict));
      return code === 0 ? 1 : code;
    }
    const newestFirst = attestations
      .map((proof) => ({ proof, predicate: predicateIn(proof) }))
      .map((item) => ({ ...item, time: timeOf(item.proof, item.predicate) }))
      .toReversed()
      .sort((a, b) => b.time - a.time);
    for (const { predicate } of options.all ? newestFirst : newestFirst.slice(0, 1)) {
      writePredicate(io.stdout, predicate);
    }
    return 0;
  },
});

/** As it is, but for a terminal, which it must not steer. */
function writePredicate(output: Output, predicate: Uint8Array): void {
  const isTerminal = output.isTerminal;
  const decoder = new TextDecoder();
  for (let at = 0; at < predicate.length; at += pieceBytes) {
    const piece = predicate.subarray(at, at + pieceBytes);
    output.write(isTerminal ? escapeControls(decoder.decode(piece, { stream: true })) : piece);
  }
  output.write("\n");
}

function predicateIn({ statement, evidence }: VerifiedAttestation): Uint8Array {
  const predicate = predicateOf(statement);
  if (predicate !== undefined) return predicate;
  throw new TrustError("SIGNATURE_MALFORMED", `the attestation ${evidence} has no predicate`, {
    expected: "a statement with a predicate",
  });
}

function timeOf({ signedAt: [proved] }: VerifiedAttestation, predicate: Uint8Array): number {
  return proved === undefined ? (statedTime(predicate) ?? Number.NEGATIVE_INFINITY) : Date.parse(proved);
}
