import { existsSync } from "node:fs";
import { decodeBase64 } from "../../crypto/base64.ts";
import { TrustError } from "../../errors.ts";
import type { SignerIdentity } from "../../formats/format.ts";
import { predicateKindOf } from "../../formats/predicate-types.ts";
import type { BlobContent } from "../../formats/prove-blob.ts";
import { readSmallFile } from "../../keys/files.ts";
import { type FileClaim, parseFileClaim, verifyFile } from "../../verify-blob.ts";
import { authoritiesOf, authorityOptions } from "../authorities.ts";
import type { CommandContext } from "../command.ts";
import { defineCommand } from "../command.ts";
import { streamInput } from "../input.ts";
import { paint, plain } from "../print.ts";
import { createResults } from "../results.ts";

const maxBundleBytes = 128 * 1024 * 1024;

export const command = defineCommand({
  name: "verify-blob",
  summary: "verify the signature of a file",
  description:
    "Verifies a file of any size against a Sigstore bundle, or a bare signature in base64: by public keys, of which any " +
    "one is enough, or by the name in a certificate. Reads what trust sign-blob and cosign sign-blob write, and bundles " +
    "with attestations about the file, such as GitHub's. Nothing is asked of a network. Exit code 0: signed by whom " +
    "is trusted; 1: not.",
  examples: [
    {
      about: "A release with its bundle",
      command: "trust verify-blob --key release.pub --bundle app.tar.gz.sigstore.json app.tar.gz",
    },
    {
      about: "A release built by a workflow on GitHub, with the attestation that gh downloads",
      command: "trust verify-blob --github-repo acme/app --type slsaprovenance1 --bundle app.jsonl app.tar.gz",
    },
    { about: "A bare signature", command: "trust verify-blob --key release.pub --signature app.sig app.tar.gz" },
  ],
  arguments: { file: { summary: "the file, - for standard input, or its digest, sha256:HEX", completes: "files" } },
  options: {
    ...authorityOptions,
    bundle: { value: "FILE", summary: "file with the signature, a Sigstore bundle", completes: "files" },
    type: { value: "TYPE", summary: "ask for an attestation of this type: slsaprovenance1, spdxjson, … or a URI" },
    signature: { value: "FILE", summary: "file with the bare signature, in base64", completes: "files" },
  },
  async run(context, { file }, options) {
    const { io } = context;
    const claim = await claimOf(context, options.bundle, options.signature);
    const authorities = await authoritiesOf(context, options);
    const predicateType = options.type === undefined ? undefined : predicateKindOf(options.type).uri;
    const verified = await verifyFile(authorities, claim, await blobOf(context, file), {
      now: io.now(),
      predicateType,
    });
    const { sha256, signer, attestation, ...times } = verified;
    const key = signer.kind === "key" ? { keyId: signer.keyId } : {};
    const stated = attestation === undefined ? {} : { predicateType: attestation.predicateType };
    const result = { file, verified: true, sha256, ...key, signer, ...times, ...stated };
    const results = createResults<typeof result>(
      context,
      (shown) =>
        `${paint(io.stdout, "green", "✔")} ${plain(file)}  ${verb(shown)} by ${plain(formatSigner(shown.signer))}\n` +
        `  sha256   ${shown.sha256}\n`,
    );
    results.add(result, 0);
    results.end();
    return 0;
  },
});

const digestForm = /^sha256:([0-9a-f]{64})$/;

/** A file; where there is none of that name, a digest of one. */
async function blobOf(context: CommandContext, file: string): Promise<BlobContent> {
  const hex = digestForm.exec(file)?.[1];
  if (hex === undefined || existsSync(context.resolvePath(file))) return streamInput(context, file);
  return { sha256: Buffer.from(hex, "hex") };
}

function verb({ predicateType }: { readonly predicateType?: string }): string {
  return predicateType === undefined ? "signed" : `attested as ${plain(predicateType)}`;
}

function formatSigner(signer: SignerIdentity): string {
  return signer.kind === "key" ? `key ${signer.keyId.slice(0, 16)}` : `${signer.subject}, ${signer.issuer}`;
}

async function claimOf(
  { resolvePath }: CommandContext,
  bundle: string | undefined,
  signature: string | undefined,
): Promise<FileClaim> {
  if ((bundle === undefined) === (signature === undefined))
    throw new TrustError("USAGE", "say where the signature is, with --bundle or with --signature", {
      expected: "one of --bundle FILE and --signature FILE",
      found: bundle === undefined ? "neither" : "both",
    });
  if (bundle !== undefined)
    return parseFileClaim(await readSmallFile(resolvePath(bundle), "the bundle", maxBundleBytes));
  const text = (await readSmallFile(resolvePath(signature ?? ""), "the signature")).toString("latin1").trim();
  return { kind: "signature", claim: { signature: decodeBase64(text, "the signature") } };
}
