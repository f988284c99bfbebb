import { ecKey, type KeyPair, rsaKey } from "../x509.ts";
import { issueIdentity, issueTimestamper, timeStamping } from "./authority.ts";
import type { MadeBundle, Recipe } from "./bundles.ts";
import { authorityLike, changed, type Forgery, hour, windowed } from "./forgeries.ts";
import { base64 } from "./jcs.ts";
import { valueAt, withValue } from "./mutations.ts";
import type { Json } from "./rekor-v1.ts";
import { type TrustedRootJson, trustedRootOf, type World } from "./world.ts";

const stampOnly = { recipe: { log: "none", timestamp: true }, require: { log: 0, timestamp: 1 } } as const;

/** Timestamps that do not stand for this signature. */
export function timestampForgeries(world: World): readonly Forgery[] {
  const { now, beginning, tsa } = world;
  const stranger = authorityLike(world, timeStamping);
  type Stamp = NonNullable<Recipe["stamp"]>;
  const stamped = (stamp: Stamp) => ({ ...stampOnly, recipe: { ...stampOnly.recipe, stamp } });
  const beside = (stamp: Stamp) => ({ recipe: { timestamp: true, stamp } });
  const signedBy = (key: KeyPair) => issueTimestamper(tsa, key, beginning);
  const wrongPurpose = issueIdentity({
    authority: tsa,
    key: ecKey(),
    claims: { iss: "https://x.test", email: "x@y.test" },
    at: beginning,
    minutes: 2_000_000,
    logs: [],
  });
  return [
    { name: "stamp of something else", ...stamped((spec) => ({ ...spec, imprint: Buffer.alloc(32, 1) })) },
    { name: "stamp of something else, beside a log", ...beside((spec) => ({ ...spec, imprint: Buffer.alloc(32, 1) })) },
    {
      name: "stamp by an unknown authority",
      ...stamped((spec) => ({ ...spec, authority: stranger, signer: issueTimestamper(stranger, ecKey(), beginning) })),
    },
    {
      name: "stamp by an unknown authority, beside a log",
      ...beside((spec) => ({ ...spec, authority: stranger, signer: issueTimestamper(stranger, ecKey(), beginning) })),
      harmless: true,
    },
    { name: "stamp by a code signer", ...stamped((spec) => ({ ...spec, signer: wrongPurpose, certificates: true })) },
    { name: "stamp before the certificate", ...stamped((spec) => ({ ...spec, at: spec.at - hour })) },
    { name: "stamp after the certificate", ...stamped((spec) => ({ ...spec, at: spec.at + hour })) },
    { name: "stamp after the certificate, beside a log", ...beside((spec) => ({ ...spec, at: spec.at + hour })) },
    {
      name: "stamp after the authority's window",
      ...stampOnly,
      root: windowed("tsa", { start: beginning, end: now() - hour }),
    },
    { name: "stamp before the authority's window", ...stampOnly, root: windowed("tsa", { start: now() + hour }) },
    {
      name: "stamp with a changed signature",
      ...stampOnly,
      edit: ({ bundle }) => stampOf(bundle, (der) => changed(der, der.length - 1)),
    },
    {
      name: "stamp with a byte behind it",
      ...stampOnly,
      edit: ({ bundle }) => stampOf(bundle, (der) => Buffer.concat([der, Buffer.of(0)])),
    },
    { name: "bare token", ...stampOnly, edit: bareToken },
    {
      name: "stamp of another version",
      ...stamped((spec) => ({ ...spec, info: ([, ...rest]) => [Buffer.of(2, 1, 2), ...rest] })),
    },
    { name: "stamp with its certificates", ...stamped((spec) => ({ ...spec, certificates: true })), harmless: true },
    { name: "stamp with a nonce", ...stamped((spec) => ({ ...spec, nonce: Buffer.of(2, 1, 42) })), harmless: true },
    {
      name: "stamp with parts of a second",
      ...stamped((spec) => ({ ...spec, at: spec.at + 250, fraction: true })),
      harmless: true,
    },
    { name: "stamp with SHA-512 inside", ...stamped((spec) => ({ ...spec, digest: "sha512" })), harmless: true },
    {
      name: "stamp by another key that the authority certified",
      ...stamped((spec) => ({ ...spec, signer: signedBy(ecKey()) })),
    },
    {
      name: "stamp by another RSA key that came along",
      ...stamped((spec) => ({ ...spec, signer: signedBy(rsaKey()), digest: "sha512", certificates: true })),
    },
    {
      name: "stamp by a key that came along, where the root names its issuer only",
      ...stamped((spec) => ({ ...spec, signer: signedBy(ecKey()), certificates: true })),
      root: withoutTimestamper,
      harmless: true,
    },
    { name: "no stamp", recipe: { log: "v2" } },
  ];
}

function withoutTimestamper(world: World): TrustedRootJson {
  const root = trustedRootOf(world);
  const [authority = {}] = root.timestampAuthorities;
  const path = ["certChain", "certificates"];
  const [, ...issuers] = valueAt(authority, path) as readonly Json[];
  return { ...root, timestampAuthorities: [withValue(authority, path, issuers)] };
}

function stampOf(bundle: Json, change: (der: Buffer) => Buffer): Json {
  const path = ["verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0, "signedTimestamp"];
  const der = Buffer.from(String(valueAt(bundle, path)), "base64");
  return withValue(bundle, path, base64(change(der)));
}

function bareToken({ bundle }: MadeBundle): Json {
  // The response is SEQUENCE { status, token }; the status takes 5 bytes, the header 4.
  return stampOf(bundle, (der) => der.subarray(9));
}
