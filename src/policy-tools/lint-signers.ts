import { predicateKinds } from "../formats/predicate-types.ts";
import { suggestion } from "../policy/problem.ts";
import { isForeign, type Remark, type Subject } from "./remark.ts";
import { indexOfName } from "./written.ts";

/** Authorities that decide nothing, keys that stand twice, and predicate types that nobody uses. */
export function lintSigners(subject: Subject): readonly Remark[] {
  if (isForeign(subject.policy)) return [];
  return [...unusedAuthorities(subject), ...sharedKeys(subject), ...predicateTypes(subject)];
}

function placeOfAuthority({ written, at }: Subject, name: string): string {
  return at("authorities", indexOfName(written.value, ["spec", "authorities"], name));
}

function unusedAuthorities(subject: Subject): readonly Remark[] {
  const { authorities, attestations = [], statics, threshold } = subject.policy;
  const named = (name: string) => attestations.some((one) => one.authorities?.includes(name) ?? true);
  const opening = threshold > 1 ? undefined : statics?.find(({ action }) => action === "pass");
  const unused = authorities.filter(({ name }) => !named(name));
  const remark = (name: string, why: string, advice: string): Remark => ({
    code: "authority-never-used",
    place: placeOfAuthority(subject, name),
    message: `the authority ${name} decides nothing: ${why}`,
    advice,
  });
  if (opening !== undefined)
    return unused.map(({ name }) =>
      remark(name, `${opening.name} passes every image without a signature`, "take out the one or the other"),
    );
  const never =
    threshold > 0
      ? []
      : unused.map(({ name }) =>
          remark(name, "spec.threshold is 0 and no attestation is asked of it", "a threshold, or an attestation by it"),
        );
  const beside = threshold < 2 ? [] : (statics ?? []).filter(({ action }) => action === "pass");
  return [
    ...never,
    ...beside.map(({ name }) => remark(name, "beside signers a static authority never counts", "take it out")),
  ];
}

/** One key under two authorities is one signer: it counts once, under either of them. */
function sharedKeys(subject: Subject): readonly Remark[] {
  const first = new Map<string, string>();
  return subject.policy.authorities.flatMap(({ name, ...authority }): readonly Remark[] => {
    if (authority.kind !== "key") return [];
    const owners = authority.keys.map(({ keyId }) => first.get(keyId));
    for (const { keyId } of authority.keys) if (!first.has(keyId)) first.set(keyId, name);
    const other = owners.find((owner) => owner !== undefined && owner !== name);
    if (other === undefined) return [];
    const message = `the authorities ${other} and ${name} have a key in common, which counts once`;
    const advice = "a key of its own for each party";
    return [{ code: "key-shared", place: placeOfAuthority(subject, name), message, advice }];
  });
}

const knownUris: readonly string[] = [...new Set(Object.values(predicateKinds).map(({ uri }) => uri))];

function predicateTypes({ policy, at }: Subject): readonly Remark[] {
  return (policy.attestations ?? []).flatMap(({ predicateType }, index): readonly Remark[] => {
    const short = predicateType.replace(/^[a-z]+:/i, "");
    const kind = Object.entries(predicateKinds).find(([name]) => name === predicateType || name === short)?.[1];
    const near = kind?.uri ?? (knownUris.includes(predicateType) ? undefined : nearUri(predicateType));
    if (near === undefined) return [];
    return [
      {
        code: "predicate-type-unknown",
        place: at("attestations", index, "predicateType"),
        message: `${predicateType} is likely not what is signed: types are compared as they are written`,
        advice: near,
      },
    ];
  });
}

/** The known type that is all but the same, as with another end or a letter wrong. */
function nearUri(type: string): string | undefined {
  const bare = (uri: string) =>
    uri
      .toLowerCase()
      .replace(/^http:/, "https:")
      .replace(/\/+$/, "");
  const same = knownUris.find((uri) => bare(uri) === bare(type));
  if (same !== undefined) return same;
  // Versions differ by one character and are different types.
  const versionless = (uri: string) => uri.replace(/\/v[\d.]+$/, "");
  return knownUris.find((uri) => versionless(uri) !== versionless(type) && suggestion(type, [uri]) !== "");
}
