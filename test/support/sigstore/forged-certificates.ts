import { basicConstraints, codeSigning, ecKey, email, extension, type Issued, nothing, uri } from "../x509.ts";
import { issueIdentity, type LeafSpec, timeStamping } from "./authority.ts";
import { keyOf } from "./bundles.ts";
import { authorityLike, changed, type Forgery, hour, impostor, windowed } from "./forgeries.ts";
import { base64 } from "./jcs.ts";
import { logKey } from "./log-key.ts";
import { withValue } from "./mutations.ts";
import type { ValidFor, World } from "./world.ts";

/** Forged certificates. */
export function certificateForgeries(world: World): readonly Forgery[] {
  const stranger = authorityLike(world, codeSigning);
  const otherLog = logKey("ctfe.sigstore.test", ecKey());
  const leaf = (certificate: (spec: LeafSpec) => LeafSpec): Pick<Forgery, "recipe"> => ({ recipe: { certificate } });
  const shifted = (by: number) => leaf((spec) => ({ ...spec, at: spec.at + by, sctAt: spec.at }));
  const root = (validFor: ValidFor) => ({ root: windowed("fulcio", validFor) });
  const { now, beginning } = world;
  return [
    { name: "SCT over another issuer", ...leaf((spec) => ({ ...spec, sctIssuer: stranger.issuer })) },
    { name: "SCT by an unknown log", ...leaf((spec) => ({ ...spec, logs: [otherLog] })) },
    {
      name: "SCT by another key under the name of a known log",
      ...leaf((spec) => ({ ...spec, logs: [impostor(world.ctlog)] })),
    },
    { name: "no SCT", ...leaf((spec) => ({ ...spec, logs: [] })) },
    { name: "empty list of SCTs", ...leaf((spec) => ({ ...spec, scts: () => [] })) },
    { name: "SCT of another certificate", ...leaf((spec) => ({ ...spec, scts: () => sctsOfAnother(spec) })) },
    {
      name: "SCT with a changed time",
      ...leaf((spec) => ({ ...spec, scts: (all) => all.map((one) => changed(one, 40)) })),
    },
    {
      name: "SCT with a changed signature",
      ...leaf((spec) => ({ ...spec, scts: (all) => all.map((one) => changed(one, one.length - 1)) })),
    },
    {
      name: "SCT with a byte behind it",
      ...leaf((spec) => ({ ...spec, scts: (all) => all.map((one) => Buffer.concat([one, Buffer.of(0)])) })),
    },
    { name: "the same SCT twice", ...leaf((spec) => ({ ...spec, scts: (all) => [...all, ...all] })), harmless: true },
    {
      name: "a good SCT beside one of an unknown log",
      ...leaf((spec) => ({ ...spec, logs: [otherLog, world.ctlog] })),
      harmless: true,
    },
    {
      name: "a good SCT beside a wrong one of the same log",
      ...leaf((spec) => ({ ...spec, scts: (all) => [...all, ...all.map((one) => changed(one, 40))] })),
    },
    {
      name: "SCT after the log was retired",
      ...leaf((spec) => spec),
      root: windowed("ctlog", { start: beginning, end: now() - hour }),
    },
    { name: "SCT before the log began", ...leaf((spec) => spec), root: windowed("ctlog", { start: now() + hour }) },
    { name: "certificate that ended before it was used", ...shifted(-hour) },
    { name: "certificate that began after it was used", ...shifted(hour) },
    { name: "certificate by an unknown authority", ...leaf((spec) => ({ ...spec, authority: stranger })) },
    {
      name: "certificate by an authority of the same name with another key",
      ...leaf((spec) => ({ ...spec, authority: authorityLike(world, codeSigning, "sigstore") })),
    },
    { name: "authority after its window", ...root({ start: beginning, end: now() - hour }) },
    { name: "authority before its window", ...root({ start: now() + hour }) },
    { name: "certificate without extended key usage", ...leaf((spec) => ({ ...spec, purposes: [] })) },
    { name: "certificate for servers", ...leaf((spec) => ({ ...spec, purposes: ["1.3.6.1.5.5.7.3.1"] })) },
    { name: "certificate for timestamps", ...leaf((spec) => ({ ...spec, purposes: [timeStamping] })) },
    {
      name: "certificate that is an authority",
      ...leaf((spec) => ({ ...spec, moreExtensions: [basicConstraints(true)] })),
    },
    {
      name: "certificate with an unknown critical extension",
      ...leaf((spec) => ({ ...spec, moreExtensions: [extension("1.2.3.4", nothing, true)] })),
    },
    {
      name: "certificate with an unknown extension",
      ...leaf((spec) => ({ ...spec, moreExtensions: [extension("1.2.3.4", nothing)] })),
      harmless: true,
    },
    { name: "certificate without a name", ...leaf((spec) => ({ ...spec, names: [] })) },
    {
      name: "certificate with two names",
      ...leaf((spec) => ({ ...spec, names: [email("alice@example.com"), uri("https://example.com/alice")] })),
      harmless: true,
    },
    { name: "by another key than the trusted one", recipe: { signer: "key" }, trusts: ecKey() },
    { name: "by a certificate of the trusted key", recipe: {}, trusts: keyOf("p256") },
    belowLeaf(world),
    {
      name: "intermediate of an unknown root in the bundle",
      recipe: { version: "0.2", certificate: (spec) => ({ ...spec, authority: stranger }), chain: [stranger.issuer] },
    },
    {
      name: "the authority's own intermediate in the bundle",
      recipe: { version: "0.2", chain: [world.fulcio.issuer] },
      harmless: true,
    },
  ];
}

function sctsOfAnother(spec: LeafSpec): readonly Buffer[] {
  let taken: readonly Buffer[] = [];
  issueIdentity({ ...spec, minutes: 11, scts: (all) => (taken = all) });
  return taken;
}

/** A certificate that a signer issued with its own key. */
function belowLeaf(world: World): Forgery {
  let parent: Issued | undefined;
  return {
    name: "certificate issued by a signer",
    recipe: {
      version: "0.2",
      certificate: (spec) => {
        parent = issueIdentity({ ...spec, key: ecKey() });
        return { ...spec, authority: { ...world.fulcio, issuer: parent, chain: [parent, ...world.fulcio.chain] } };
      },
    },
    edit: ({ bundle, leaf }) =>
      withValue(
        bundle,
        ["verificationMaterial", "x509CertificateChain", "certificates"],
        [leaf, parent].map((one) => ({ rawBytes: base64(one?.der ?? Buffer.alloc(0)) })),
      ),
  };
}
