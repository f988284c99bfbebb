import type { ErrorCategory, Finding } from "../errors.ts";
import type { SignerIdentity } from "../formats/format.ts";
import { type PolicyResult, policyNameOf, type Satisfaction, type Verdict } from "./verdict.ts";

/** What a person reads at `kubectl apply`: more than this is not read. */
const maxShort = 1980;
/** Longer lines are of no use on a terminal, and events keep only 1 KiB. */
const maxShortLine = 1024;
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
    return length > maxShort;
  });
  if (fitting < 0) return lines.join("\n");
  // Of characters of many bytes, one line may be too much.
  const shown = fitting === 0 ? [cutBytes(lines[0] ?? "", maxShort)] : lines.slice(0, fitting);
  return [...shown, ...(shown.length === lines.length ? [] : [`and ${lines.length - shown.length} more`])].join("\n");
}

/** `image: CODE: policy NAME: message (digest…, expected…, found…). hint. Also: …`, on one line. */
export function shortLine(verdict: Verdict): string {
  const [first, ...others] = findingsByWeight(verdict);
  const name = oneLine(verdict.image, 300);
  if (first === undefined) return `${name}: NO_SIGNATURE: the image is not trusted`;
  const { finding, policy } = first;
  const where = policy === undefined ? "" : `policy ${oneLine(policy, 100)}: `;
  const what = `${preamble[finding.category]}${where}${sentence(finding, verdict.digest)}`;
  const more = [...new Set(others.map((other) => inShort(other, first)))].filter((short) => short !== finding.code);
  const also = more.length === 0 ? "" : ` Also: ${more.slice(0, 5).join(", ")}.`;
  return oneLine(`${name}: ${finding.code}: ${what}${also}`, maxShortLine);
}

/** `policy NAME CODE (AUTHORITY)`, the policy only where it is another than that of the first finding. */
function inShort({ finding, policy }: ToldFinding, first: ToldFinding): string {
  const where = policy === undefined || policy === first.policy ? "" : `policy ${policy} `;
  return `${where}${finding.code}${finding.authority === undefined ? "" : ` (${finding.authority})`}`;
}

/** The findings that matter most first: why it is denied, then what only warns; before all an outage, if that is why. */
export function findingsByWeight(verdict: Verdict): readonly ToldFinding[] {
  const of = (enforcing: boolean) =>
    verdict.policies
      .filter((policy) => !policy.passed && (policy.mode === "enforce") === enforcing)
      .flatMap((policy) => policy.findings.map((finding) => ({ finding, policy: policyNameOf(policy) })));
  const top = verdict.findings.map((finding) => ({ finding, policy: undefined }));
  // That no policy spoke is told even where it decides nothing.
  const last = verdict.outcome === "deny" ? [] : top.filter(({ finding }) => finding.code === "NO_POLICY");
  const told = [...of(true), ...top.filter((item) => !last.includes(item)), ...of(false), ...last];
  if (verdict.status !== "unavailable") return told;
  // What was in the way comes first: it is the reason, and nothing is known against the image.
  const isJudgement = ({ finding }: ToldFinding) => finding.category === "untrusted" || finding.category === "usage";
  return [...told.filter((item) => !isJudgement(item)), ...told.filter(isJudgement)];
}

/** Why something could not be judged at all: `CODE: message (expected…, found…). hint`, on one line. */
export function errorLine(error: Explained & Pick<Finding, "code">): string {
  return oneLine(`${error.code}: ${sentence(error)}`, maxShortLine);
}

/** What an error and a finding have in common. */
type Explained = Pick<Finding, "message" | "hint"> & {
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
};

/** `message (digest…, expected…, found…). hint.` */
function sentence({ message, expected, found, hint }: Explained, digest?: string): string {
  const details = [
    ...(digest === undefined ? [] : [`digest ${digest}`]),
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ].map((detail) => oneLine(detail, 300));
  const about = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `${oneLine(message, 300)}${about}. ${hint}.`;
}

function cutBytes(text: string, max: number): string {
  const cut = Buffer.from(text).subarray(0, max).toString();
  return cut.replace(/\ufffd*$/, "");
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

function policyLines(result: PolicyResult): readonly string[] {
  const { mode, passed, satisfiedBy, findings } = result;
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
    `  policy ${oneLine(policyNameOf(result), 200)}, ${mode}: ${passed ? "passed" : "not passed"}`,
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
export function oneLine(text: string, max: number): string {
  const clean = text.slice(0, max * 2).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ");
  return clean.length > max ? `${clean.slice(0, max - 3)}...` : clean;
}
