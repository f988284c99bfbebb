import { cosign } from "./cosign.ts";
import type { SignatureFormat } from "./format.ts";
import { sigstoreBundle } from "./sigstore-bundle.ts";

/** Every format there is; the first is what `sign` writes by default. */
export const formats: readonly SignatureFormat[] = [sigstoreBundle, cosign];
