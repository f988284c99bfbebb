import { type SignedStatement, signBlob, signStatement } from "../../blob.ts";
import { TrustError } from "../../errors.ts";
import { maxAttestationBytes } from "../../formats/format.ts";
import { refuseExisting, writeNewFiles } from "../../keys/files.ts";
import { defineCommand } from "../command.ts";
import { readInput, streamInput } from "../input.ts";
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
      about: "As the identity of a CI job, witnessed by a public log",
      command: "trust sign-blob --bundle app.tar.gz.sigstore.json app.tar.gz",
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
    statement: { summary: "the file is an in-toto statement: sign it as one, whatever it is about" },
    force: { summary: "replace the file if it exists" },
  },
  async run(context, { file }, options) {
    const { io, resolvePath } = context;
    const path = options.bundle === undefined ? undefined : resolvePath(options.bundle);
    if (file === "-" && options["identity-token"] === "-")
      throw new TrustError("USAGE", "standard input is the file or the identity token, not both", {
        expected: "a file for one of them",
      });
    if (path !== undefined && !options.force) await refuseExisting([path]);
    const signing = await openSigning(context, { flags: options, formats: [] });
    const isBare = signing.signer.certificate === undefined && signing.testify === undefined && !options.statement;
    if (path === undefined && !isBare)
      throw new TrustError("USAGE", "a bare signature has no place for all that is made", {
        expected: "--bundle FILE",
      });
    const request = { ...signing, now: io.now() };
    const { bundle, ...made } = options.statement
      ? await signStatement(request, await readInput(context, file, "the statement", maxAttestationBytes))
      : await signBlob(request, streamInput(context, file));
    if (path !== undefined) await writeNewFiles([{ path, content: bundle, mode: 0o644 }], { replace: options.force });
    const { signature, ...shown }: Made = made;
    const bare = signature === undefined ? {} : { signature: signature.toString("base64") };
    const result: SignedFile = { file, ...shown, ...bare, ...(path === undefined ? {} : { bundle: path }) };
    const results = createResults<SignedFile>(context, formatSigned);
    results.add(result, 0);
    results.end();
    return 0;
  },
});

type Made = Omit<SignedStatement, "bundle"> & { readonly sha256?: string; readonly signature?: Buffer };

interface SignedFile extends Omit<SignedStatement, "bundle"> {
  readonly file: string;
  readonly sha256?: string;
  readonly signature?: string;
  readonly bundle?: string;
}

function formatSigned({ file, sha256, keyId, certificate, signature, bundle }: SignedFile): string {
  if (bundle === undefined) return `${signature}\n`;
  const rows = [
    ...(sha256 === undefined ? [] : [["sha256", sha256]]),
    certificate === undefined ? ["key", keyId.slice(0, 16)] : ["signer", certificate.subject],
    ["bundle", bundle],
  ];
  return `signed  ${plain(file)}\n${rows.map(([name = "", text = ""]) => `  ${name.padEnd(9)}${plain(text)}\n`).join("")}`;
}
