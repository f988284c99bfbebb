import type { ErrorCategory, Finding, TrustError, Verdict } from "../src/index.ts";

/** Longer lines and messages are of no use on a terminal, and events keep only 1 KiB. */
const maxLine = 1024;
const maxMessage = 8 * 1024;
/** The API server cuts a warning at 256 characters and all of them at 4096. */
const maxWarning = 256;
const maxWarnings = 8;
const maxAnnotation = 8 * 1024;

/** An outage must not look like tampering, so what is not a judgement on the image says so. */
const preamble: Readonly<Record<ErrorCategory, string>> = {
  untrusted: "",
  usage: "",
  unavailable: "not verified, since the answer could not be had now (this says nothing against the image): ",
  config: "not verified, since the verifier is not set up for it (this says nothing against the image): ",
  internal: "not verified, since the verifier failed (this says nothing against the image): ",
};

/** Why the object is refused: one line for each denied image, bounded; how many more there are is said. */
export function denialMessage(denied: readonly Verdict[]): string {
  return bounded(
    denied.map((verdict) => denialLine(verdict)),
    maxMessage,
    "\n",
    (more) => `and ${more} more`,
  );
}

/** `image: CODE: policy NAME: message (digest…, expected…, found…). hint` */
export function denialLine(verdict: Verdict): string {
  const [first, ...others] = findingsOf(verdict);
  if (first === undefined) return `${name(verdict)}: NO_SIGNATURE: the image is not trusted`;
  const { finding, policy } = first;
  const where = policy === undefined ? "" : `policy ${oneLine(policy, 100)}: `;
  const what = `${preamble[finding.category]}${where}${sentence(finding, verdict.digest)}`;
  const more = [...new Set(others.map((other) => inShort(other, first)))].filter((short) => short !== finding.code);
  const also = more.length === 0 ? "" : ` Also: ${more.slice(0, 5).join(", ")}.`;
  return oneLine(`${name(verdict)}: ${finding.code}: ${what}${also}`, maxLine);
}

/** `policy NAME CODE (AUTHORITY)`, the policy only where it is another than that of the first finding. */
function inShort({ finding, policy }: Told, first: Told): string {
  const where = policy === undefined || policy === first.policy ? "" : `policy ${policy} `;
  return `${where}${finding.code}${finding.authority === undefined ? "" : ` (${finding.authority})`}`;
}

/** Why a review could not be judged at all: `CODE: message (expected…, found…). hint`. */
export function errorMessage(error: TrustError): string {
  return oneLine(`${error.code}: ${sentence(error)}`, maxLine);
}

/** What the person should know though the object passes: few, short, ASCII. */
export function warningsOf(verdicts: readonly Verdict[]): readonly string[] {
  const warned = verdicts.filter((verdict) => verdict.outcome === "warn");
  const lines = warned.slice(0, maxWarnings).map((verdict) => {
    const [first] = findingsOf(verdict);
    const where = first?.policy === undefined ? "" : `policy ${first.policy}: `;
    const what = first === undefined ? "not trusted" : `${first.finding.code}: ${where}${first.finding.message}`;
    return ascii(`${oneLine(verdict.image, 150)}: ${what}`, maxWarning);
  });
  return warned.length > maxWarnings ? [...lines, `and ${warned.length - maxWarnings} more images`] : lines;
}

/** For the audit log of the API server: image, digest, outcome and what each rests on; compact JSON, bounded. */
export function evidenceAnnotation(verdicts: readonly Verdict[]): string {
  const items = verdicts.map((verdict) =>
    JSON.stringify({
      image: verdict.image.slice(0, 300),
      digest: verdict.digest,
      outcome: verdict.outcome,
      status: verdict.status,
      codes: [...new Set(findingsOf(verdict).map(({ finding }) => finding.code))],
      policies: verdict.policies.slice(0, 10).map((policy) => policy.name),
      evidence: verdict.evidence.slice(0, 3),
      ...(verdict.unsafe.length === 0 ? {} : { unsafe: verdict.unsafe.slice(0, 3) }),
    }),
  );
  return `[${bounded(items, maxAnnotation, ",", (more) => JSON.stringify({ more }))}]`;
}

interface Told {
  readonly finding: Finding;
  readonly policy: string | undefined;
}

/** The findings that matter most first: why it is denied, then what only warns. */
export function findingsOf(verdict: Verdict): readonly Told[] {
  const of = (enforcing: boolean) =>
    verdict.policies
      .filter((policy) => !policy.passed && (policy.mode === "enforce") === enforcing)
      .flatMap((policy) => policy.findings.map((finding) => ({ finding, policy: policy.name })));
  const top = verdict.findings.map((finding) => ({ finding, policy: undefined }));
  // That no policy spoke is told even where it decides nothing.
  const last = verdict.outcome === "deny" ? [] : top.filter(({ finding }) => finding.code === "NO_POLICY");
  const told = [...of(true), ...top.filter((item) => !last.includes(item)), ...of(false), ...last];
  if (verdict.status !== "unavailable") return told;
  // What was in the way comes first: it is the reason, and nothing is known against the image.
  const isJudgement = ({ finding }: Told) => finding.category === "untrusted" || finding.category === "usage";
  return [...told.filter((item) => !isJudgement(item)), ...told.filter(isJudgement)];
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

function name(verdict: Verdict): string {
  return oneLine(verdict.image, 300);
}

function bounded(items: readonly string[], max: number, separator: string, more: (count: number) => string): string {
  let length = 0;
  const fitting = items.findIndex((item) => {
    length += Buffer.byteLength(item) + separator.length;
    return length > max;
  });
  if (fitting < 0) return items.join(separator);
  return [...items.slice(0, fitting), more(items.length - fitting)].join(separator);
}

/** Image names and registry texts come from strangers: no line breaks, no terminal control, no bidirectional tricks. */
function oneLine(text: string, max: number): string {
  const clean = text.slice(0, max * 2).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ");
  return clean.length > max ? `${clean.slice(0, max - 3)}...` : clean;
}

function ascii(text: string, max: number): string {
  const clean = oneLine(text, max * 2).replace(/[^\x20-\x7e]/g, "?");
  return clean.length > max ? `${clean.slice(0, max - 3)}...` : clean;
}
