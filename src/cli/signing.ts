import { TrustError } from "../errors.ts";
import type { Testify, TrustMaterial } from "../formats/format.ts";
import { readSmallFile } from "../keys/files.ts";
import { openSigner } from "../keys/index.ts";
import type { Signer } from "../keys/signer.ts";
import type { CommandContext } from "./command.ts";
import { passwordOption, passwordSource } from "./key-pair.ts";

/** Flags that say who signs. */
export const signerOptions = {
  key: { short: "k", value: "KEY", summary: "private key: a file, or env://NAME", required: true, completes: "files" },
  ...passwordOption,
  cert: {
    value: "FILE",
    summary: "certificate of the key, PEM; signatures carry it, and verifiers trust its root instead of the key",
    completes: "files",
  },
  "cert-chain": {
    value: "FILE",
    summary: "what issued the certificate, PEM: intermediates in order, the root last",
    completes: "files",
  },
} as const;

export interface SignerFlags {
  readonly key: string;
  readonly "password-file": string | undefined;
  readonly cert: string | undefined;
  readonly "cert-chain": string | undefined;
}

/** Who signs, who witnesses it, and what verifiers will prove it with. */
export interface Signing {
  readonly signer: Signer;
  readonly testify?: Testify | undefined;
  /** Absent where the signer's key or certificate says all. */
  readonly trust?: TrustMaterial | undefined;
}

/** Opens what the flags name. The password of a key is asked for once all the rest is known to be good. */
export async function openSigning(context: CommandContext, flags: SignerFlags): Promise<Signing> {
  const { io, resolvePath } = context;
  const certificate = await certificateOf(context, flags);
  const password = passwordSource(context, flags["password-file"]);
  const signer = await openSigner(flags.key, { env: io.env, resolvePath, password });
  if (certificate === undefined) return { signer };
  const { certifiedSigner } = await import("../keys/certificate.ts");
  return { signer: certifiedSigner(signer, certificate) };
}

async function certificateOf({ io, resolvePath }: CommandContext, flags: SignerFlags) {
  const { cert, "cert-chain": chain } = flags;
  if (cert === undefined && chain === undefined) return undefined;
  if (cert === undefined)
    throw new TrustError("USAGE", "--cert-chain is for the certificate that --cert names", {
      expected: "both --cert FILE and --cert-chain FILE",
    });
  const read = async (path: string, what: string) => (await readSmallFile(resolvePath(path), what)).toString("latin1");
  const { readSigningCertificate } = await import("../keys/certificate.ts");
  const files = {
    certificate: await read(cert, "the certificate"),
    chain: chain === undefined ? undefined : await read(chain, "the chain of the certificate"),
  };
  return readSigningCertificate(files, io.now());
}
