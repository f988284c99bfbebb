import type { ErrorCategory } from "../errors.ts";
import { categoriesOf, type Outcome, type PolicyResult, policyNameOf, type Verdict } from "../policy/verdict.ts";
import type { CommandContext } from "./command.ts";
import { formatTable } from "./print.ts";
import { createProgress } from "./progress.ts";
import { createResults } from "./results.ts";

/** A verdict of an audit, and where the image is named, where that is not all there is to say. */
export interface Audited {
  readonly verdict: Verdict;
  readonly usedBy?: string;
}

/** Prints verdicts as they come or as one table; the categories that decide the exit code. */
export async function printAudit(
  context: CommandContext,
  audited: AsyncIterable<Audited>,
): Promise<readonly ErrorCategory[]> {
  const progress = createProgress(context, "judging");
  const results = createResults<Verdict>(context, () => "");
  const all: Audited[] = [];
  for await (const item of audited) {
    progress.step(item.verdict.image);
    results.add(item.verdict, all.length);
    all.push(item);
  }
  progress.clear();
  results.end();
  if (context.output === "table") context.io.stdout.write(formatAudit(all));
  return all.flatMap(({ verdict }) => categoriesOf(verdict));
}

/** A table with the first reason of each verdict that has one, and a count. */
export function formatAudit(all: readonly Audited[]): string {
  const withPlaces = all.some(({ usedBy }) => usedBy !== undefined);
  const rows = all.map(({ verdict, usedBy = "" }) => {
    const start = [verdict.outcome, verdict.status, verdict.image];
    return [...start, ...(withPlaces ? [usedBy] : []), firstReason(verdict)];
  });
  const header = ["OUTCOME", "STATUS", "IMAGE", ...(withPlaces ? ["USED BY"] : []), "REASON"];
  const count = (outcome: Outcome) => all.filter(({ verdict }) => verdict.outcome === outcome).length;
  const counts = (["allow", "warn", "deny"] as const).map((outcome) => `${count(outcome)} ${outcome}`).join(", ");
  return `${formatTable(header, rows)}${all.length} ${all.length === 1 ? "image" : "images"}: ${counts}\n`;
}

function firstReason({ findings, policies }: Verdict): string {
  const ofPolicies = policies.flatMap((policy) =>
    policy.findings.map((finding) => ({ finding, where: whereOf(policy) })),
  );
  const [first] = [...findings.map((finding) => ({ finding, where: "" })), ...ofPolicies];
  return first === undefined ? "" : `${first.finding.code}: ${first.where}${first.finding.message}`;
}

/** Rules of the cluster hold for all; that one is of a single namespace has to be said. */
function whereOf(policy: PolicyResult): string {
  return policy.namespace === undefined ? "" : `policy ${policyNameOf(policy)}: `;
}
