import { signBlob } from "../../blob.ts";
import { TrustError } from "../../errors.ts";
import { refuseExisting, writeNewFiles } from "../../keys/files.ts";
import { defineCommand } from "../command.ts";
import { streamInput } from "../input.ts";
import { plain } from "../print.ts";
import { createResults } from "../results.ts";
import { openSigning } from "../signing.ts";
import { signingOptions } from "../signing-options.ts";

export const command = defineCommand({
  name: "sign-blob",
  summary: "sign a file",
  description:
    "Signs a file of any size and writes a Sigstore bundle beside it, which trust verify-blob and cosign verify-blob " +
    "read. Without --bundle the signature is printed, in base64. What was made is proved before it is written.",
  examples: [
    {
      about: "Sign a release",
      command: "trust sign-blob --key release.key --bundle app.tar.gz.sigstore.json app.tar.gz",
    },
    {
      about: "The bare signature of what another program writes",
      command: "make-it | trust sign-blob --key release.key -",
    },
  ],
  arguments: { file: { summary: "the file, - for standard input", completes: "files" } },
  options: {
    ...signingOptions,
    bundle: { value: "FILE", summary: "write the signature to this file, as a Sigstore bundle", completes: "files" },
    force: { summary: "replace the file if it exists" },
  },
  async run(context, { file }, options) {
    const { resolvePath } = context;
    const path = options.bundle === undefined ? undefined : resolvePath(options.bundle);
    if (path !== undefined && !options.force) await refuseExisting([path]);
    const signing = await openSigning(context, { flags: options, formats: [] });
    if (path === undefined && signing.signer.certificate !== undefined)
      throw new TrustError("USAGE", "a bare signature has no place for a certificate", { expected: "--bundle FILE" });
    const { sha256, keyId, certificate, signature, bundle } = await signBlob(signing, streamInput(context, file));
    if (path !== undefined) await writeNewFiles([{ path, content: bundle, mode: 0o644 }], { replace: options.force });
    const result = {
      file,
      sha256,
      keyId,
      ...(certificate === undefined ? {} : { certificate }),
      signature: signature.toString("base64"),
      ...(path === undefined ? {} : { bundle: path }),
    };
    const who = certificate === undefined ? `key      ${keyId.slice(0, 16)}` : `signer   ${plain(certificate.subject)}`;
    const results = createResults<typeof result>(context, (made) =>
      path === undefined
        ? `${made.signature}\n`
        : `signed  ${plain(file)}\n  sha256   ${sha256}\n  ${who}\n  bundle   ${plain(path)}\n`,
    );
    results.add(result, 0);
    results.end();
    return 0;
  },
});
