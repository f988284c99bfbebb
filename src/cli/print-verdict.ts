import type { SignerIdentity } from "../formats/format.ts";
import { type PolicyResult, policyNameOf, type Satisfaction, type Verdict } from "../policy/verdict.ts";
import type { Output } from "./io.ts";
import { formatFindings, paint, plain } from "./print.ts";

const marks = { allow: ["green", "✔"], warn: ["yellow", "!"], deny: ["red", "✘"] } as const;

/** A verdict as text: what was decided, about which digest, by whom it is signed, or every reason why not. */
export function formatVerdict(output: Output, verdict: Verdict): string {
  const [color, mark] = marks[verdict.outcome];
  const title = `${paint(output, color, mark)} ${plain(nameOf(verdict))}  ${paint(output, color, `${verdict.outcome}, ${verdict.status}`)}\n`;
  const digest = verdict.digest === undefined ? "" : line("digest", verdict.digest);
  const policies = verdict.policies.map((policy) => formatPolicy(output, policy));
  const unsafe = verdict.unsafe.map((text) => line("unsafe", plain(text)));
  const findings = formatFindings(output, verdict.findings, "  ");
  const children = verdict.children.map((child) => indent(formatVerdict(output, child)));
  return [title, digest, ...policies, findings, ...unsafe, ...children].join("");
}

function nameOf({ image, platform }: Verdict): string {
  return platform === undefined ? image : `${image} (${platform})`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

function formatPolicy(output: Output, result: PolicyResult): string {
  const { mode, passed, satisfiedBy, findings } = result;
  const name = policyNameOf(result);
  const signed = satisfiedBy.filter(({ attestation }) => attestation === undefined).map(formatSatisfaction);
  const attested = satisfiedBy.flatMap((item) =>
    item.attestation === undefined ? [] : [`${item.attestation} attested by ${formatSatisfaction(item)}`],
  );
  const by = [...(signed.length === 0 ? [] : [`signed by ${signed.join(", ")}`]), ...attested].join("; ");
  const how = passedBy(result);
  const state = passed ? `passed${how}${by === "" ? "" : `: ${by}`}` : "not passed";
  const shownMode = mode === "enforce" ? "" : `, mode ${mode}`;
  return line("policy", plain(`${name}${shownMode} ${state}`)) + formatFindings(output, findings, "    ");
}

/** What let it pass in the open, where something did. */
function passedBy({ static: decided, exception }: PolicyResult): string {
  if (exception !== undefined) return ` by the exception ${exception.name}`;
  return decided === undefined ? "" : ` by the static authority ${decided.authority}`;
}

function formatSatisfaction({ authority, signer, expiresAt }: Satisfaction): string {
  return `${authority} (${formatSigner(signer)}${expiresAt === undefined ? "" : `, until ${expiresAt}`})`;
}

function formatSigner(signer: SignerIdentity): string {
  return signer.kind === "key" ? `key ${signer.keyId.slice(0, 16)}` : `${signer.subject}, ${signer.issuer}`;
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(9)}${text}\n`;
}
