import type { Path, SourceDocument } from "../document.ts";
import { type Draft, type Ledger, objectNameOf, refusing, valueAt, wordOf } from "./draft.ts";
import { authoritiesOf } from "./kyverno-attestors.ts";
import type { KyvernoAttestor, KyvernoPolicy, KyvernoRule, VerifyImages } from "./kyverno-schema.ts";
import { excludedByWildcard, imageOfWildcard } from "./wildcards.ts";

/**
 * Native policies for the `verifyImages` of a Kyverno policy: one for each set of attestors, since an image has to satisfy
 * all sets, and one for each attestation. What narrows a rule to some objects and has no equivalent is left out, so that the
 * policy asks the same of more objects.
 */
export function importKyverno(policy: KyvernoPolicy, document: SourceDocument, ledger: Ledger): readonly Draft[] {
  return policy.spec.rules.flatMap((rule, index) => {
    const path = ["spec", "rules", index];
    if (rule.verifyImages === undefined) {
      ledger.lose(path, `the rule ${rule.name} verifies no images`, "it is left out; it stays a matter of Kyverno");
      return [];
    }
    const match = matchOf(rule, path, ledger);
    return rule.verifyImages.flatMap((verify, at) =>
      importOne({ policy, rule, verify, match, path: [...path, "verifyImages", at], document, ledger }, at),
    );
  });
}

interface One {
  readonly policy: KyvernoPolicy;
  readonly rule: KyvernoRule;
  readonly verify: VerifyImages;
  readonly match: object;
  readonly path: Path;
  readonly document: SourceDocument;
  readonly ledger: Ledger;
}

/** Takes down what a rule comes to. */
interface Output {
  add(parts: readonly (string | number)[], rules: object): void;
  /** A refusal of all images of the rule, for what stands at the path. */
  refuse(parts: readonly (string | number)[], where: Path, what: string): void;
}

function importOne(one: One, at: number): readonly Draft[] {
  const { policy, rule, verify, path, document, ledger } = one;
  const { name, namespace } = policy.metadata;
  const cluster = policy.kind === "ClusterPolicy";
  const base = [name, rule.name, ...((rule.verifyImages ?? []).length > 1 ? [at] : [])];
  const common = { mode: modeOf(one), ...imagesOf(one), ...one.match };
  const drafts: Draft[] = [];
  const output: Output = {
    add(parts, rules) {
      drafts.push({
        kind: cluster ? "ClusterTrustPolicy" : "TrustPolicy",
        name: objectNameOf(...base, ...parts),
        ...(cluster ? {} : { namespace: namespace ?? "default" }),
        spec: { ...common, ...rules },
        from: document.placeOf(path),
      });
    },
    refuse(parts, where, what) {
      ledger.lose(where, `${what} has no equivalent`, "every image that the rule matches is refused");
      output.add(parts, { authorities: [refusing(what)] });
    },
  };
  loseSettings(one);
  if (verify.type === "Notary") {
    output.refuse(["notary"], [...path, "type"], "signatures of Notary");
    return drafts;
  }
  for (const field of ["key", "issuer", "subject", "roots", "additionalExtensions", "validate"] as const)
    if (verify[field] !== undefined) output.refuse([field], [...path, field], `${field} of verifyImages`);
  const sets = verify.attestors ?? [];
  for (const [index, set] of sets.entries())
    addSet(one, set, [...path, "attestors", index], (rules) => output.add(sets.length > 1 ? [index] : [], rules));
  for (const [index, attestation] of (verify.attestations ?? []).entries())
    addAttestation(one, attestation, index, output);
  if (drafts.length === 0) output.refuse([], path, "a rule that asks for no signer");
  return drafts;
}

function loseSettings({ verify, path, ledger }: One): void {
  ledger.loseFields(path, {
    repository: "signatures are looked for beside the image, and where --signature-repository says",
    imageRegistryCredentials: "credentials are those of the verifier",
    verifyDigest: "the settings digest and unpinned of the webhook say whether a tag passes",
  });
  if (verify.required === false)
    ledger.lose([...path, "required"], "required: false has no equivalent", "images have to be verified");
  if (verify.mutateDigest !== false) return;
  const instead = "the setting digest of the webhook decides; tags are pinned by default";
  ledger.lose([...path, "mutateDigest"], "mutateDigest: false has no equivalent in a policy", instead);
}

type Attestation = NonNullable<VerifyImages["attestations"]>[number];

function addAttestation(one: One, attestation: Attestation, index: number, output: Output): void {
  const { verify, path, ledger } = one;
  const where = [...path, "attestations", index];
  const parts = ["attested", attestation.name ?? index];
  const type = attestation.type ?? attestation.predicateType ?? "";
  const sets = attestation.attestors ?? verify.attestors ?? [];
  const problem = problemOf(attestation, type, sets.length);
  if (problem !== undefined) {
    output.refuse(parts, where, problem);
    return;
  }
  const name = wordOf(attestation.name ?? `attestation-${index}`);
  for (const [number, set] of sets.entries()) {
    const own = [...(attestation.attestors === undefined ? path : where), "attestors", number];
    const rules = attestedRules(authoritiesOf(set, verify, own, ledger), name, type);
    const numbered = [...parts, ...(sets.length > 1 ? [number] : [])];
    if (rules === undefined) output.refuse(numbered, own, "so many attestors of one attestation");
    else output.add(numbered, rules);
  }
}

function problemOf({ conditions }: Attestation, type: string, sets: number): string | undefined {
  if (conditions !== undefined && !isEmptyList(conditions)) return "conditions over an attestation, in JMESPath";
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(type)) return `the type ${type} of an attestation`;
  return sets === 0 ? "an attestation by anybody" : undefined;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function addSet({ verify, ledger }: One, set: KyvernoAttestor, path: Path, add: (rules: object) => void): void {
  const { authorities, threshold, missing } = authoritiesOf(set, verify, path, ledger);
  if (authorities.length >= threshold) {
    add({ authorities, threshold });
    return;
  }
  const why = `${missing} of the attestors cannot be expressed, and ${threshold} have to sign`;
  ledger.lose(path, why, "every image that the rule matches is refused");
  add({ authorities: [refusing(why)] });
}

/** All of the attestors is one requirement for each; one of them is one requirement of any. Nothing for other numbers. */
function attestedRules(
  { authorities, threshold }: ReturnType<typeof authoritiesOf>,
  name: string,
  predicateType: string,
): object | undefined {
  const names = authorities.map((authority) => authority.name);
  const asked = threshold === 1 ? [names] : threshold === names.length ? names.map((one) => [one]) : undefined;
  if (asked === undefined || names.length === 0) return undefined;
  const attestations = asked.map((by, index) => ({
    name: index === 0 ? name : `${name}-${index}`,
    predicateType,
    authorities: by,
    select: "any",
  }));
  return { authorities, threshold: 0, attestations };
}

function modeOf({ policy, verify, rule, path, ledger }: One): string {
  const overrides = valueAt(policy.spec, ["validationFailureActionOverrides"]);
  const action =
    verify.failureAction ?? valueAt(rule, ["failureAction"]) ?? policy.spec.validationFailureAction ?? "Audit";
  if (overrides !== undefined) {
    ledger.lose(
      ["spec", "validationFailureActionOverrides"],
      "another action in some namespaces has no equivalent",
      "the policy is enforced everywhere",
    );
    return "enforce";
  }
  const isKnown = /^(?:enforce|audit)$/i.test(String(action));
  if (!isKnown) ledger.lose([...path, "failureAction"], "an action that is not known", "the policy is enforced");
  return /^audit$/i.test(String(action)) ? "audit" : "enforce";
}

function imagesOf({ verify, path, ledger }: One): object {
  const references = verify.imageReferences ?? (verify.image === undefined ? ["*"] : [verify.image]);
  const images = references.map((pattern, index) =>
    imageOfWildcard(pattern, [...path, "imageReferences", index], ledger),
  );
  const exclude = (verify.skipImageReferences ?? []).flatMap((pattern, index) => {
    const glob = excludedByWildcard(pattern);
    if (glob !== undefined) return [glob];
    ledger.lose(
      [...path, "skipImageReferences", index],
      `${pattern} cannot be left out by a glob`,
      "these images have to satisfy the policy as well",
    );
    return [];
  });
  return { images, ...(exclude.length === 0 ? {} : { exclude }) };
}

/** Kinds that take Pods along: as Kyverno does by itself, their templates are judged as well. */
const podKinds = /^(?:.*\/)?Pod$/;

function matchOf(rule: KyvernoRule, path: Path, ledger: Ledger): object {
  ledger.loseFields(path, {
    exclude: "objects that are left out have to satisfy the policy as well",
    preconditions: "the policy applies whatever they say",
    celPreconditions: "the policy applies whatever they say",
    context: "it is left out",
  });
  const any = valueAt(rule, ["match", "any"]) ?? valueAt(rule, ["match", "all"]) ?? [];
  const list: readonly unknown[] = Array.isArray(any) ? any : [];
  const isAll = valueAt(rule, ["match", "all"]) !== undefined && list.length > 1;
  const entries = list.map((item) => entryOf(valueAt(item, ["resources"]), item));
  if (isAll || list.length === 0 || entries.some((entry) => !entry.whole)) {
    const isPlain = list.length > 0 && !isAll && entries.every((entry) => entry.isPods);
    if (!isPlain)
      ledger.lose(
        [...path, "match"],
        "what narrows the rule to some objects has no equivalent",
        "the policy applies to all objects",
      );
    return {};
  }
  const match = entries.map(({ match: one }) => one);
  return match.some((one) => Object.keys(one).length === 0) ? {} : { match };
}

/** What an entry of `match` says; `whole` where nothing of it is left out. */
function entryOf(
  resources: unknown,
  item: unknown,
): { readonly match: object; readonly whole: boolean; readonly isPods: boolean } {
  const fields = typeof resources === "object" && resources !== null ? Object.keys(resources) : [];
  const kinds: unknown = valueAt(resources, ["kinds"]);
  const isPods =
    Array.isArray(kinds) && kinds.length > 0 && kinds.every((kind) => typeof kind === "string" && podKinds.test(kind));
  const others =
    typeof item === "object" && item !== null ? Object.keys(item).filter((field) => field !== "resources") : [];
  const known = fields.every((field) => field === "kinds" || field === "namespaces" || field === "operations");
  const namespaces: unknown = valueAt(resources, ["namespaces"]);
  const globs = Array.isArray(namespaces)
    ? namespaces.filter((glob) => typeof glob === "string" && /^[a-z0-9*-]{1,63}$/.test(glob))
    : [];
  const isSaid =
    namespaces === undefined || (Array.isArray(namespaces) && globs.length === namespaces.length && globs.length > 0);
  const match = isSaid && namespaces !== undefined ? { namespaces: globs } : {};
  return {
    match,
    whole: isPods && known && isSaid && others.length === 0,
    isPods: isPods && known && others.length === 0 && isSaid,
  };
}
