import { cosign } from "../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import type { TrustPolicy } from "../../src/policy/policy.ts";
import { defaultSettings } from "../../src/policy/settings.ts";
import { signImage } from "../../src/sign.ts";
import { createVerifier } from "../../src/verify.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { newSigner } from "../support/signers.ts";

/** How many requests reach the registry for one cold verification, then for a second one of the same image. */
export async function countColdRequests(
  host: string,
): Promise<readonly { readonly what: string; readonly requests: number }[]> {
  const requests: string[] = [];
  const registry = createHttpRegistry({ onRequest: ({ method, url }) => void requests.push(`${method} ${url}`) });
  const image = parseReference(`${host}/bench/requests:1`);
  const signer = newSigner();
  await pushImage(registry, image, tinyImage("requests"));
  await signImage(registry, { image, signer, formats: [sigstoreBundle, cosign], now: Date.now() });
  const policy: TrustPolicy = {
    name: "bench",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "bench", keys: [signer.publicKey] }],
    threshold: 1,
    source: "bench",
  };
  const verifier = createVerifier({
    registry,
    policies: () => ({ policies: [policy], revision: "1" }),
    settings: defaultSettings,
    now: Date.now,
  });
  const count = async () => {
    requests.length = 0;
    const verdict = await verifier.verify({ image: `${host}/bench/requests:1` });
    if (verdict.outcome !== "allow") throw new Error(JSON.stringify(verdict));
    return requests.length;
  };
  const cold = await count();
  return [
    { what: "registry requests, cold, 1 bundle and 1 .sig", requests: cold },
    { what: "registry requests, warm", requests: await count() },
  ];
}
