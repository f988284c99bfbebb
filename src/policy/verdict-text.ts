import type { ErrorCategory, Finding } from "../errors.ts";
import type { SignerIdentity } from "../formats/format.ts";
import type { PolicyResult, Satisfaction, Verdict } from "./verdict.ts";

/** What a person reads at `kubectl apply`: more than this is not read. */
const maxShort = 2000;
const maxShortLine = 700;
const maxText = 500;

/** An outage must not look like tampering, so what is not a judgement on the image says so. */
const preamble: Readonly<Record<ErrorCategory, string>> = {
  untrusted: "",
  usage: "",
  unavailable: "not verified, since the answer could not be had now (this says nothing against the image): ",
  config: "not verified, since the verifier is not set up for it (this says nothing against the image): ",
  internal: "not verified, since the verifier failed (this says nothing against the image): ",
};

/** A finding, and the policy it belongs to. */
export interface ToldFinding {
  readonly finding: Finding;
  readonly policy: string | undefined;
}

/** Why images are refused, in a line each and under 2 KB in all; how many more there are is said. */
export function shortText(denied: readonly Verdict[]): string {
  const lines = denied.map(shortLine);
  let length = 0;
  const fitting = lines.findIndex((line) => {
    length += Buffer.byteLength(line) + 1;
    return length > maxShort - 30;
  });
  if (fitting < 0) return lines.join("\n");
  return [...lines.slice(0, fitting), `and ${lines.length - fitting} more images`].join("\n");
}

function shortLine(verdict: Verdict): string {
  const [first, ...others] = findingsByWeight(verdict);
  if (first === undefined) return `${oneLine(verdict.image, 200)}: ${verdict.outcome}, ${verdict.status}`;
  const { code, category, message, expected, found, hint } = first.finding;
  const where = first.policy === undefined ? "" : `policy ${oneLine(first.policy, 80)}: `;
  const details = [
    ...(expected === undefined ? [] : [`expected ${oneLine(expected, 120)}`]),
    ...(found === undefined ? [] : [`found ${oneLine(found, 120)}`]),
  ];
  const about = details.length === 0 ? "" : ` (${details.join(", ")})`;
  const codes = [...new Set(others.map(({ finding }) => finding.code))].filter((other) => other !== code);
  const also = codes.length === 0 ? "" : ` Also: ${codes.slice(0, 5).join(", ")}.`;
  const text = `${oneLine(verdict.image, 200)}: ${code}: ${preamble[category]}${where}${oneLine(message, 200)}${about}.${also} ${hint}.`;
  return oneLine(text, maxShortLine);
}

/** The findings that matter most first: why it is denied, then what only warns; before all an outage, if that is why. */
export function findingsByWeight(verdict: Verdict): readonly ToldFinding[] {
  const of = (enforcing: boolean) =>
    verdict.policies
      .filter((policy) => !policy.passed && (policy.mode === "enforce") === enforcing)
      .flatMap((policy) => policy.findings.map((finding) => ({ finding, policy: policy.name })));
  const top = verdict.findings.map((finding) => ({ finding, policy: undefined }));
  const told = [...of(true), ...top, ...of(false)];
  if (verdict.status !== "unavailable") return told;
  const isJudgement = ({ finding }: ToldFinding) => finding.category === "untrusted" || finding.category === "usage";
  return [...told.filter((item) => !isJudgement(item)), ...told.filter(isJudgement)];
}

/**
 * All of a verdict, authority by authority: what was looked for, what was found, which check it failed, and the next
 * step. Lines of plain text that cannot steer a terminal.
 */
export function fullText(verdict: Verdict): string {
  return `${fullLines(verdict).join("\n")}\n`;
}

function fullLines(verdict: Verdict): readonly string[] {
  const { image, platform, digest, outcome, status, decidedAt, validUntil } = verdict;
  const name = platform === undefined ? image : `${image} (${platform})`;
  return [
    `${oneLine(name, maxText)}: ${outcome}, ${status}`,
    ...row(1, "digest", digest),
    ...row(1, "decided", decidedAt),
    ...row(1, "good until", outcome === "deny" ? undefined : validUntil),
    ...verdict.findings.flatMap((finding) => findingLines(finding, 1)),
    ...verdict.policies.flatMap(policyLines),
    ...verdict.unsafe.flatMap((text) => row(1, "unsafe", text)),
    ...nextSteps(verdict),
    ...verdict.children.flatMap((child) => fullLines(child).map((line) => `  ${line}`)),
  ];
}

function policyLines({ name, mode, passed, satisfiedBy, findings }: PolicyResult): readonly string[] {
  const byAuthority = Map.groupBy(findings, ({ authority }) => authority);
  const unsatisfied = [...byAuthority].flatMap(([authority, own]) =>
    authority === undefined
      ? []
      : [
          `    authority ${oneLine(authority, 200)}: not satisfied`,
          ...own.flatMap((finding) => findingLines(finding, 3)),
        ],
  );
  const others = byAuthority.get(undefined) ?? [];
  const [about, rest] = [
    others.filter(({ evidence }) => evidence !== undefined),
    others.filter(({ evidence }) => evidence === undefined),
  ];
  return [
    `  policy ${oneLine(name, 200)}, ${mode}: ${passed ? "passed" : "not passed"}`,
    ...rest.flatMap((finding) => findingLines(finding, 2)),
    ...satisfiedBy.flatMap(satisfactionLines),
    ...unsatisfied,
    ...(about.length === 0
      ? []
      : ["    found, and not counted", ...about.flatMap((finding) => findingLines(finding, 3))]),
  ];
}

function satisfactionLines({ authority, signer, evidence, signedAt, expiresAt }: Satisfaction): readonly string[] {
  return [
    `    authority ${oneLine(authority, 200)}: satisfied`,
    ...row(3, "signed by", signerText(signer)),
    ...row(3, "in", evidence),
    ...row(3, "at", signedAt),
    ...row(3, "until", expiresAt),
  ];
}

function findingLines({ code, message, expected, found, evidence }: Finding, depth: number): readonly string[] {
  return [
    `${"  ".repeat(depth)}${code}: ${oneLine(message, maxText)}`,
    ...row(depth + 1, "looked for", expected),
    ...row(depth + 1, "found", found),
    ...row(depth + 1, "in", evidence),
  ];
}

/** What to do, each once, in the order of what matters. */
function nextSteps(verdict: Verdict): readonly string[] {
  if (verdict.outcome === "allow") return [];
  const hints = [...new Set(findingsByWeight(verdict).map(({ finding }) => finding.hint))];
  return hints.slice(0, 5).map((hint) => `  next: ${oneLine(aboutImage(hint, verdict), maxText)}`);
}

/** The next command as it can be typed; a name that is none of an image is not put into one. */
function aboutImage(hint: string, { image }: Verdict): string {
  return /^[\w.:/@-]{1,300}$/.test(image) ? hint.replace(/ IMAGE(?=$| )/g, ` ${image}`) : hint;
}

function row(depth: number, name: string, text: string | undefined): readonly string[] {
  return text === undefined || text === "" ? [] : [`${"  ".repeat(depth)}${name.padEnd(11)}${oneLine(text, maxText)}`];
}

function signerText(signer: SignerIdentity): string {
  if (signer.kind === "key") return `key ${signer.keyId.slice(0, 16)}`;
  return `${signer.subject}, ${signer.issuer}`;
}

/** Image names and registry texts come from strangers: no line breaks, no terminal control, no bidirectional tricks. */
function oneLine(text: string, max: number): string {
  const clean = text.slice(0, max * 2).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ");
  return clean.length > max ? `${clean.slice(0, max - 3)}...` : clean;
}
