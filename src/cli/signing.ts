import { TrustError } from "../errors.ts";
import type { Testify, TrustMaterial } from "../formats/format.ts";
import type { WitnessedEvidence } from "../formats/made-trust.ts";
import { readSmallFile } from "../keys/files.ts";
import { openSigner } from "../keys/index.ts";
import type { Signer } from "../keys/signer.ts";
import type { CommandContext, OptionValues } from "./command.ts";
import { passwordSource } from "./key-pair.ts";
import type { keyOptions, signingOptions } from "./signing-options.ts";

/** Who signs, who witnesses it, and what verifiers will prove it with. */
export interface Signing {
  readonly signer: Signer;
  readonly testify?: Testify | undefined;
  /** Absent where the signer's key or certificate says all. */
  readonly trust?: TrustMaterial | undefined;
  /** What the trust roots must prove. */
  readonly evidence?: WitnessedEvidence | undefined;
}

/** What the flags say, and how services are reached. */
export interface SigningRequest {
  readonly flags: OptionValues<typeof signingOptions>;
  readonly caFile?: string | undefined;
  /** Names of the forms that are written: not every form has room for every kind of log entry. */
  readonly formats: readonly string[];
}

/**
 * Opens what the flags name: a key, with its certificate if it has one, or an identity; and whoever witnesses its signatures.
 * The password of a key is asked for once all the rest is known to be good.
 */
export async function openSigning(context: CommandContext, request: SigningRequest): Promise<Signing> {
  const { flags } = request;
  const { key } = flags;
  if (key === undefined) {
    refuseKeyFlags(flags);
    const { openIdentity } = await import("./signing-services.ts");
    return openIdentity(context, request);
  }
  if (flags["identity-token"] !== undefined || flags["fulcio-url"] !== undefined)
    throw new TrustError("USAGE", "a key signs, or an identity", { expected: "one of --key and --identity-token" });
  const wantsWitness = flags.tlog || flags.timestamp || flags["signing-config"] !== undefined;
  if (!wantsWitness && flags["rekor-url"].length === 0 && flags["timestamp-url"].length === 0)
    return { signer: await openKey(context, { ...flags, key }) };
  const { openWitnesses } = await import("./signing-services.ts");
  const witnessed = await openWitnesses(context, request);
  const signer = await openKey(context, { ...flags, key });
  return { signer, ...(await witnessed.forSigner(signer)) };
}

type KeyFlags = OptionValues<typeof keyOptions> & { readonly key: string };

/** A signer with the key, and with its certificate if one is named. */
export async function openKey(context: CommandContext, flags: KeyFlags): Promise<Signer> {
  const { io, resolvePath } = context;
  const certificate = await certificateOf(context, flags);
  const password = passwordSource(context, flags["password-file"]);
  const signer = await openSigner(flags.key, { env: io.env, resolvePath, password });
  if (certificate === undefined) return signer;
  const { certifiedSigner } = await import("../keys/certificate.ts");
  return certifiedSigner(signer, certificate);
}

async function certificateOf({ io, resolvePath }: CommandContext, flags: OptionValues<typeof keyOptions>) {
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

function refuseKeyFlags(flags: OptionValues<typeof keyOptions>): void {
  const given = (["cert", "cert-chain", "password-file"] as const).find((name) => flags[name] !== undefined);
  if (given !== undefined)
    throw new TrustError("USAGE", `--${given} is for a key`, { expected: `--key KEY beside --${given}` });
}
