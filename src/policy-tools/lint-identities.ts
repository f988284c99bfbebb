import { createPattern } from "../crypto/x509-identity.ts";
import type { Path } from "../policy/document.ts";
import type { Authority } from "../policy/policy.ts";
import { isForeign, type Remark, type Subject } from "./remark.ts";
import { indexOfName } from "./written.ts";

/** Texts that have nothing in common: an expression that matches all of them matches everybody. */
const strangers = [
  "https://github.com/evil/evil/.github/workflows/release.yml@refs/heads/main",
  "mallory@evil.example",
  "spiffe://evil.example/ns/default",
  "https://token.evil.example",
  "ÿ 0",
];

/** Identities that everybody has, that more have than it seems, or that nobody can have. */
export async function lintIdentities(subject: Subject): Promise<readonly Remark[]> {
  const read = subject.policy.authorities.flatMap((authority) => expectationsOf(subject, authority));
  const remarks = await Promise.all(read.map(async (one) => (one.isRegex ? regexRemarks(one) : textRemarks(one))));
  return remarks.flat();
}

/** One text of an identity, exact or a regular expression. */
interface Expectation {
  readonly field: string;
  readonly text: string;
  readonly isRegex: boolean;
  /** A regular expression of policy-controller may match anywhere in a text. */
  readonly isSearch: boolean;
  readonly place: string;
}

function expectationsOf({ policy, written, at }: Subject, authority: Authority): readonly Expectation[] {
  if (authority.kind === "key") return [];
  const index = indexOfName(written.value, ["spec", "authorities"], authority.name);
  return authority.identities.flatMap((identity: object, position) =>
    ["issuer", "issuerRegex", "subject", "subjectRegex", "san", "sanRegex"].flatMap((field) => {
      const text: unknown = Reflect.get(identity, field);
      if (typeof text !== "string") return [];
      const path: Path = ["authorities", index, authority.kind, "identities", position, field];
      return [{ field, text, isRegex: field.endsWith("Regex"), isSearch: isForeign(policy), place: at(...path) }];
    }),
  );
}

async function regexRemarks({ field, text, place, isSearch }: Expectation): Promise<readonly Remark[]> {
  const matches = await createPattern(text, isSearch ? "anywhere" : "whole");
  if (strangers.every(matches))
    return [
      {
        code: "regex-matches-all",
        place,
        message: `${field} ${JSON.stringify(text)} matches everybody`,
        advice: field.startsWith("issuer") ? "the issuer, exactly, in issuer" : "the identity, as exactly as can be",
      },
    ];
  const wide = isSearch && !/^\^.*\$$/s.test(text) ? unanchored : tooWide(text);
  if (wide === undefined) return [];
  return [
    { code: "regex-too-wide", place, message: `${field} ${JSON.stringify(text)}: ${wide.why}`, advice: wide.advice },
  ];
}

const unanchored = {
  why: "it may match anywhere in a name, also behind the host of somebody else",
  advice: "^ at its start and $ at its end",
};

/** What lets in strangers by mistake. Expressions match the whole of a text, so that ends need no anchors. */
function tooWide(text: string): { readonly why: string; readonly advice: string } | undefined {
  const bare = text.replace(/^\^|\$$/g, "");
  if (/^\(?\.[*+]/.test(bare))
    return {
      why: "it begins with anything, so that every host can stand in front",
      advice: "https:// and the host first",
    };
  const dot = /[a-z0-9](?<!\\)\.(?=[a-z]{2,})/i.exec(bare);
  if (dot !== null)
    return { why: "a . that is not escaped stands for any character, also in a host", advice: "\\. for a full stop" };
  const open = /^[a-z]+:\/\/[^/]+(?:\/[^/()|]+)?(?<![/)\]\\])\.[*+]/i.exec(bare.replaceAll("\\.", "_"));
  if (open !== null)
    return {
      why: "the wildcard follows a name, so that longer names of others fit, too",
      advice: "/ before the wildcard",
    };
  return undefined;
}

function textRemarks({ field, text, place }: Expectation): readonly Remark[] {
  const remark = (why: string, advice: string): readonly Remark[] => [
    { code: "identity-never-matches", place, message: `${field} ${JSON.stringify(text)}: ${why}`, advice },
  ];
  if (/[*^]|\\\.|\$$|\(\?/.test(text))
    return remark("it is compared as it is written, wildcards too", `${field}Regex for a regular expression`);
  if (field !== "issuer") return [];
  if (!/^https?:\/\//.test(text)) return remark("issuers are URLs", `https://${text.slice(0, 100)}`);
  if (
    /^https:\/\/(?:token\.actions\.githubusercontent\.com|gitlab\.com|accounts\.google\.com|agent\.buildkite\.com)\/$/.test(
      text,
    )
  )
    return remark("this issuer has no / at its end", text.slice(0, -1));
  return [];
}
