import { formatReference, type ImageReference, parseReference } from "../oci/reference.ts";
import type { Verdict } from "../policy/verdict.ts";
import { createVerifier, type VerifierOptions, type VerifyRequest } from "../verify.ts";
import type { AttestationRequest, AttestationVerdict, AttestationVerifier } from "../verify-attestations.ts";
import type { CommandContext } from "./command.ts";
import { createLocator, isInLayout } from "./locate.ts";
import type { OpenVerifier } from "./policies.ts";

/** Judges images wherever they are: in registries, or in layouts on this machine. */
export interface ImageJudge {
  verify(request: VerifyRequest): Promise<Verdict>;
  verifyAttestations(request: AttestationRequest): Promise<AttestationVerdict>;
  /** Every image of a layout, as `verify` takes them. */
  list(layout: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

interface JudgeFlags {
  readonly policy: readonly string[];
  /** The name by which policies judge images in layouts. */
  readonly as?: string | undefined;
}

/** A judge of what users write. A layout that cannot be read is told in the verdict, as a registry is. */
export function createImageJudge(context: CommandContext, opened: OpenVerifier, flags: JudgeFlags): ImageJudge {
  const { options, verifier, registry } = opened;
  const locator = createLocator(context, registry);
  const name = flags.as === undefined ? undefined : parseReference(flags.as);
  const optionsFor = (image: string) => locator.verifierOptions(options, image, name);
  let shared: AttestationVerifier | undefined;
  // The makers of a layout must not choose unseen which policies judge it.
  const trustsName = name !== undefined || flags.policy.length === 0;
  const withName = (verdict: Verdict, own: VerifierOptions): Verdict =>
    trustsName || verdict.digest === undefined || own.referenceOf === undefined
      ? verdict
      : { ...verdict, unsafe: [...verdict.unsafe, judgedAs(own.referenceOf(verdict.image))] };
  return {
    async verify(request) {
      if (!isInLayout(request.image)) return verifier.verify(request);
      const own = await optionsFor(request.image);
      return withName(await createVerifier(own).verify(request), own);
    },
    async verifyAttestations(request) {
      const { createAttestationVerifier } = await import("../verify-attestations.ts");
      if (!isInLayout(request.image)) {
        shared ??= createAttestationVerifier(options);
        return shared.verify(request);
      }
      const own = await optionsFor(request.image);
      const result = await createAttestationVerifier(own).verify(request);
      return { ...result, verdict: withName(result.verdict, own) };
    },
    list: locator.list,
    close: () => locator.close(),
  };
}

function judgedAs({ registry, repository, tag }: ImageReference): string {
  const name = formatReference({ registry, repository, ...(tag === undefined ? {} : { tag }) });
  return `policies judged the image as ${name}, which is what the layout says of itself`;
}
