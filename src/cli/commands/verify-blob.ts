import { verifyBlob } from "../../blob.ts";
import { decodeBase64 } from "../../crypto/base64.ts";
import { TrustError } from "../../errors.ts";
import { type BlobClaim, parseBlobBundle } from "../../formats/blob-bundle.ts";
import { readSmallFile } from "../../keys/files.ts";
import { loadPublicKeys } from "../../keys/index.ts";
import type { CommandContext } from "../command.ts";
import { defineCommand } from "../command.ts";
import { streamInput } from "../input.ts";
import { paint, plain } from "../print.ts";
import { createResults } from "../results.ts";

const maxBundleBytes = 4 * 1024 * 1024;

export const command = defineCommand({
  name: "verify-blob",
  summary: "verify the signature of a file",
  description:
    "Verifies a file of any size against a Sigstore bundle, or a bare signature in base64, and public keys of which any " +
    "one is enough. Reads what trust sign-blob and cosign sign-blob write. Exit code 0: signed by one of the keys; 1: not.",
  examples: [
    {
      about: "A release with its bundle",
      command: "trust verify-blob --key release.pub --bundle app.tar.gz.sigstore.json app.tar.gz",
    },
    { about: "A bare signature", command: "trust verify-blob --key release.pub --signature app.sig app.tar.gz" },
  ],
  arguments: { file: { summary: "the file, - for standard input", completes: "files" } },
  options: {
    key: {
      short: "k",
      value: "KEY",
      summary: "public key of a trusted signer: a file, or env://NAME",
      required: true,
      many: true,
      completes: "files",
    },
    bundle: { value: "FILE", summary: "file with the signature, a Sigstore bundle", completes: "files" },
    signature: { value: "FILE", summary: "file with the bare signature, in base64", completes: "files" },
  },
  async run(context, { file }, options) {
    const { io, resolvePath } = context;
    const claim = await claimOf(context, options.bundle, options.signature);
    const keys = await Promise.all(options.key.map((key) => loadPublicKeys(key, { env: io.env, resolvePath })));
    const verified = await verifyBlob(keys.flat(), claim, streamInput(context, file));
    const result = { file, verified: true, ...verified };
    const results = createResults<typeof result>(
      context,
      ({ sha256, keyId }) =>
        `${paint(io.stdout, "green", "✔")} ${plain(file)}  signed by key ${keyId.slice(0, 16)}\n  sha256   ${sha256}\n`,
    );
    results.add(result, 0);
    results.end();
    return 0;
  },
});

async function claimOf(
  { resolvePath }: CommandContext,
  bundle: string | undefined,
  signature: string | undefined,
): Promise<BlobClaim> {
  if ((bundle === undefined) === (signature === undefined))
    throw new TrustError("USAGE", "say where the signature is, with --bundle or with --signature", {
      expected: "one of --bundle FILE and --signature FILE",
      found: bundle === undefined ? "neither" : "both",
    });
  if (bundle !== undefined)
    return parseBlobBundle(await readSmallFile(resolvePath(bundle), "the bundle", maxBundleBytes));
  const text = (await readSmallFile(resolvePath(signature ?? ""), "the signature")).toString("latin1").trim();
  return { signature: decodeBase64(text, "the signature") };
}
