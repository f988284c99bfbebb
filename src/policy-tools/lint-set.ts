import { canonicalAuthority } from "../policy/authority.ts";
import type { Authority, PolicySet, TrustPolicy } from "../policy/policy.ts";
import { covers, overlaps } from "./glob-language.ts";
import { isForeign, nameOf, type Remark, type Subject } from "./remark.ts";

type Named = Remark & { readonly policy: string };

/** What only all policies together show: that one adds nothing to another, and that nobody enforces. */
export function lintSet(set: PolicySet, subjects: readonly Subject[]): readonly Named[] {
  return [...shadowed(set, subjects), ...nobodyEnforces(set, subjects)];
}

/** All policies that match must pass, so that one is idle where another asks for as much of the same images. */
function shadowed({ policies }: PolicySet, subjects: readonly Subject[]): readonly Named[] {
  return subjects.flatMap(({ policy, at }, index) => {
    const other = policies.find(
      (candidate, position) =>
        candidate !== policy && shadows(candidate, policy) && (position < index || !shadows(policy, candidate)),
    );
    if (other === undefined) return [];
    const name = nameOf(policy);
    const message = `${name} decides nothing: whatever passes ${nameOf(other)} passes it, and that speaks about all of its images`;
    return [{ code: "policy-shadowed", place: at(), message, advice: "take it out, or ask for more", policy: name }];
  });
}

function shadows(general: TrustPolicy, specific: TrustPolicy): boolean {
  if (isForeign(general) || isForeign(specific)) return false;
  if (general.mode !== "enforce" || general.match.length > 0) return false;
  if (general.namespace !== undefined && general.namespace !== specific.namespace) return false;
  if (general.statics !== undefined || general.authorities.length === 0) return false;
  if (general.threshold < specific.threshold || asksForMore(specific)) return false;
  const trusted = new Set(specific.authorities.map(meaning));
  if (!general.authorities.every((authority) => trusted.has(meaning(authority)))) return false;
  const reaches = specific.images.every(({ glob }) =>
    general.images.some((image) => image.tags === undefined && covers(image.glob, glob)),
  );
  return reaches && !general.exclude.some((glob) => leavesToOthers(glob, specific));
}

/** Whether an exclusion lets something pass that the other policy would judge. */
function leavesToOthers(excluded: string, { images, exclude }: TrustPolicy): boolean {
  return images.some(({ glob }) => overlaps(glob, excluded)) && !exclude.some((own) => covers(own, excluded));
}

/** What a policy asks for beside signatures by its authorities. */
function asksForMore(policy: TrustPolicy): boolean {
  const { attestations, condition, freshness, revokedSignatures, signedIdentity, platforms, mirrors } = policy;
  return [attestations, condition, freshness, revokedSignatures, signedIdentity, platforms, mirrors].some(
    (field) => field !== undefined,
  );
}

const meanings = new WeakMap<Authority, string>();

/** Under another name an authority is the same; under another owner it may count beside others. */
function meaning(authority: Authority): string {
  const known = meanings.get(authority);
  if (known !== undefined) return known;
  const {
    name: _,
    owner,
    ...rest
  } = canonicalAuthority(authority) as { readonly name: string; readonly owner?: string };
  const made = JSON.stringify([owner ?? "", Object.entries(rest).sort()]);
  meanings.set(authority, made);
  return made;
}

/** An image that only policies that warn speak about falls to the default, which denies. */
function nobodyEnforces({ policies }: PolicySet, subjects: readonly Subject[]): readonly Named[] {
  const [first] = subjects;
  if (first === undefined) return [];
  if (policies.some(({ mode, namespace }) => mode === "enforce" && namespace === undefined)) return [];
  return [
    {
      code: "nobody-enforces",
      place: first.at(),
      message: "no ClusterTrustPolicy enforces: every image falls to the default for images without a policy, deny",
      advice: "a ClusterTrustPolicy in mode enforce, or noMatch: warn while it is being introduced",
      policy: nameOf(first.policy),
    },
  ];
}
