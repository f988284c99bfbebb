import type { Signer } from "./signer.ts";

/** Whom the certificate of a signer names, where it has one. */
export interface CertifiedSigner {
  readonly certificate?: { readonly subject: string; readonly issuer: string };
}

/** Whom signatures by that signer will show. */
export async function namesOf(signer: Signer): Promise<CertifiedSigner> {
  if (signer.certificate === undefined) return {};
  const { namesIn } = await import("./certificate.ts");
  return { certificate: namesIn(await signer.certificate()) };
}
