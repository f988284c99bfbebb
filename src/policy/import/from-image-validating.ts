import type { Path, SourceDocument } from "../document.ts";
import { isSet } from "../foreign/schema-parts.ts";
import { parsePolicyKeys } from "../policy-keys.ts";
import { type Draft, type Ledger, objectNameOf, refusing, searching, wordOf } from "./draft.ts";
import type { CosignAttestor, ImageValidatingDocument } from "./image-validating-schema.ts";
import { imageOfWildcard } from "./wildcards.ts";

/**
 * Native policies for an ImageValidatingPolicy: one for each of its validations, since all must hold. What a validation asks
 * for stands in CEL; the forms of Kyverno's documentation are understood, every other one becomes a refusal.
 */
export function importImageValidating(
  { kind, metadata, spec }: ImageValidatingDocument,
  document: SourceDocument,
  ledger: Ledger,
): readonly Draft[] {
  ledger.loseFields(["spec"], {
    matchConstraints: "the policy applies to all objects",
    matchConditions: "the policy applies to all objects",
    variables: "they are left out; what uses them is refused",
    images: "images of other objects than workloads are not judged",
    credentials: "credentials are those of the verifier",
    validationConfigurations: "the settings of the webhook say whether tags are pinned",
    evaluation: "images are judged in admission, and by trust verify and trust audit",
    failurePolicy: "the webhook fails closed",
  });
  const actions = spec.validationActions ?? ["Deny"];
  const common = {
    mode: actions.includes("Deny") ? "enforce" : actions.includes("Warn") ? "warn" : "audit",
    images: imagesOf(spec, ledger),
  };
  const isCluster = kind === "ImageValidatingPolicy";
  return spec.validations.map(({ expression }, index) => {
    const path = ["spec", "validations", index, "expression"];
    const asked = parseValidation(expression);
    const rules = asked === undefined ? undefined : rulesOf(asked, spec, ledger);
    if (rules === undefined)
      ledger.lose(path, "this validation has no equivalent", "every image that the policy matches is refused");
    return {
      kind: isCluster ? "ClusterTrustPolicy" : "TrustPolicy",
      name: objectNameOf(metadata.name, ...(spec.validations.length > 1 ? [index] : [])),
      ...(isCluster ? {} : { namespace: metadata.namespace ?? "default" }),
      spec: { ...common, ...(rules ?? { authorities: [refusing(`validations[${index}]`)] }) },
      from: document.placeOf(path),
    };
  });
}

function imagesOf({ matchImageReferences = [] }: ImageValidatingDocument["spec"], ledger: Ledger): readonly object[] {
  const images = matchImageReferences.map(({ glob }, index) => {
    const path = ["spec", "matchImageReferences", index];
    if (glob !== undefined && glob !== "") return imageOfWildcard(glob, [...path, "glob"], ledger);
    ledger.lose(
      [...path, "expression"],
      "an expression over images has no equivalent",
      "the policy speaks about all images",
    );
    return { glob: "**" };
  });
  return images.length === 0 ? [{ glob: "**" }] : images;
}

interface Asked {
  readonly attestation?: string;
  readonly attestors: readonly string[];
  /** How many of them. */
  readonly least: number;
}

const name = "[A-Za-z_][A-Za-z0-9_]*";
const attestors = `\\[((?:attestors\\.${name},?)+)\\]`;
const sources = `images(?:\\.(?:containers|initContainers|ephemeralContainers))`;
const end = `\\)\\.all\\((${name}),(${name})(>0|>=\\d+)\\)`;
const signed = new RegExp(`^${sources}\\.map\\((${name}),verifyImageSignatures\\((${name}),${attestors}\\)${end}$`);
const attested = new RegExp(
  `^${sources}\\.map\\((${name}),verifyAttestationSignatures\\((${name}),attestations\\.(${name}),${attestors}\\)${end}$`,
);

/** `images.containers.map(i, verifyImageSignatures(i, [attestors.a])).all(e, e > 0)`, and the same for attestations. */
export function parseValidation(expression: string): Asked | undefined {
  const text = expression.replace(/\s+/g, "");
  const [, variable, image, list, each, counted, comparison] = signed.exec(text) ?? [];
  if (variable !== undefined && variable === image && each === counted)
    return { attestors: namesIn(list), least: leastOf(comparison) };
  const [, one, other, attestation, by, item, number, least] = attested.exec(text) ?? [];
  if (one === undefined || one !== other || item !== number || attestation === undefined) return undefined;
  return { attestation, attestors: namesIn(by), least: leastOf(least) };
}

function namesIn(list = ""): readonly string[] {
  return list
    .split(",")
    .filter((item) => item !== "")
    .map((item) => item.replace(/^attestors\./, ""));
}

/** `>= 0` holds for everything; it is taken for a slip, and asks for one. */
function leastOf(comparison = ">0"): number {
  return Math.max(1, Number(/\d+$/.exec(comparison.replace(/^>0$/, ">=1"))?.[0] ?? 1));
}

function rulesOf(asked: Asked, spec: ImageValidatingDocument["spec"], ledger: Ledger): object | undefined {
  const authorities = asked.attestors.flatMap((wanted) => {
    const index = spec.attestors.findIndex((attestor) => attestor.name === wanted);
    const { cosign } = spec.attestors[index] ?? {};
    const path = ["spec", "attestors", Math.max(0, index)];
    const rules = cosign === undefined ? undefined : attestorRules(cosign, path, ledger);
    if (rules === undefined)
      ledger.lose(path, `the attestor ${wanted} has no equivalent`, "it is left out: it satisfies nothing");
    return rules === undefined ? [] : [{ name: wordOf(wanted), ...rules }];
  });
  if (authorities.length < asked.least || new Set(asked.attestors).size !== asked.attestors.length) return undefined;
  if (asked.attestation === undefined) return { authorities, threshold: asked.least };
  const { intoto } = spec.attestations?.find((one) => one.name === asked.attestation) ?? {};
  if (intoto === undefined || asked.least > 1 || !/^[a-z][a-z0-9+.-]*:\S+$/i.test(intoto.type)) return undefined;
  const by = authorities.map((authority) => authority.name);
  const attestation = { name: wordOf(asked.attestation), predicateType: intoto.type, authorities: by, select: "any" };
  return { authorities, threshold: 0, attestations: [attestation] };
}

function attestorRules(attestor: CosignAttestor, path: Path, ledger: Ledger): object | undefined {
  const { key, ctlog, annotations = {}, certificate, source, tuf } = attestor;
  const isOwn = [certificate, tuf, ctlog?.rekorPubKey, ctlog?.ctLogPubKey, ctlog?.tsaCertChain].some(isSet);
  if (isOwn || Object.values(annotations).some((value) => /[*?]/.test(value))) return undefined;
  const where = [...path, "cosign"];
  if (source !== undefined)
    ledger.lose(
      [...where, "source"],
      "signatures of one attestor at another place have no equivalent",
      "they are looked for beside the image, and where --signature-repository says",
    );
  const rules = key === undefined ? keylessRules(attestor, where, ledger) : keyRules(key, ctlog);
  if (rules === undefined) return undefined;
  return { ...rules, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) };
}

function keyRules(
  { data, hashAlgorithm = "sha256" }: NonNullable<CosignAttestor["key"]>,
  ctlog: CosignAttestor["ctlog"],
) {
  if (data === undefined || hashAlgorithm !== "sha256" || !isReadable(data)) return undefined;
  const logged = ctlog?.insecureIgnoreTlog === true ? {} : { trustRoot: "public-good", require: { log: true } };
  return { key: { data, ...logged } };
}

function keylessRules({ keyless, ctlog }: CosignAttestor, path: Path, ledger: Ledger): object | undefined {
  if (keyless === undefined || keyless.roots !== undefined) return undefined;
  const identities = keyless.identities.map(({ issuer, issuerRegExp, subject, subjectRegExp }) => ({
    ...(isSet(issuerRegExp) ? { issuerRegex: searching(issuerRegExp ?? "") } : { issuer }),
    ...(isSet(subjectRegExp) ? { subjectRegex: searching(subjectRegExp ?? "") } : { subject }),
  }));
  if (!identities.every((identity) => Object.values(identity).every(isSet))) return undefined;
  if (ctlog?.insecureIgnoreSCT === true)
    ledger.lose([...path, "ctlog", "insecureIgnoreSCT"], "insecureIgnoreSCT has no equivalent", "an SCT is needed");
  if (ctlog?.insecureIgnoreTlog !== true)
    return { keyless: { trustRoot: "public-good", identities, require: { log: true } } };
  const instead = "a log entry or a timestamp is needed";
  ledger.lose([...path, "ctlog", "insecureIgnoreTlog"], "insecureIgnoreTlog has no equivalent", instead);
  return { keyless: { trustRoot: "public-good", identities } };
}

function isReadable(pem: string): boolean {
  try {
    parsePolicyKeys(pem);
    return true;
  } catch {
    return false;
  }
}
