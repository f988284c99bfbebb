import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import { withDeadline } from "../evidence/deadline.ts";
import { factsOf, staleness } from "../evidence/reading.ts";
import type { Child } from "../oci/children.ts";
import { mapLimit } from "../oci/parallel.ts";
import { evaluatePolicy } from "../policy/evaluate.ts";
import type { EvaluationFacts, Situation } from "../policy/facts.ts";
import { markKey } from "../policy/marks.ts";
import type { MatchedPolicy } from "../policy/match.ts";
import type { PolicyResult } from "../policy/verdict.ts";
import { configsOf, type Question, raiseMark, searchOf, situationOf } from "./question.ts";

/** What the policies say when platforms are looked at, and how old the facts about those are. */
export interface PlatformJudgement {
  readonly policies: readonly PolicyResult[];
  readonly unsafe: readonly string[];
  readonly askedAt: number;
  readonly listedAt: number;
}

const childrenAtOnce = 8;

/**
 * Gives their say to policies that want evidence on every platform of an index: `each` instead of evidence on the index,
 * `index-or-each` where that is not enough. Nothing is asked where no policy needs it, or the image is no index. An index
 * without anything that could run does not pass, whatever it lists.
 */
export async function judgePlatforms(
  question: Question,
  digest: Digest,
  results: readonly PolicyResult[],
  evidenceAge: number,
): Promise<PlatformJudgement> {
  const nothing = { policies: results, unsafe: [], ...{ askedAt: question.now, listedAt: Number.POSITIVE_INFINITY } };
  const needs = question.matched.map((match, index) => needsPlatforms(match, results[index]));
  if (!needs.includes(true)) return nothing;
  try {
    const { ref, store, signal } = question;
    const children = await withDeadline(store.children(ref, digest), signal);
    if (children === undefined) return nothing;
    const images = children.filter(({ kind, isRunnable }) => kind === "manifest" && isRunnable);
    const read = await mapLimit(images, childrenAtOnce, (child) => readChild(question, child, evidenceAge));
    const policies = results.map((result, index) => {
      const match = question.matched[index];
      return match === undefined || needs[index] !== true ? result : overall(question, match, result, read);
    });
    return {
      policies,
      unsafe: [...new Set(read.flatMap(({ unsafe }) => unsafe))],
      askedAt: Math.min(question.now, ...read.map(({ askedAt }) => askedAt)),
      listedAt: Math.min(...read.map(({ listedAt }) => listedAt)),
    };
  } catch (error) {
    const finding = toFinding(error);
    const policies = results.map((result, index) => (needs[index] === true ? failed(result, [finding]) : result));
    return { ...nothing, policies };
  }
}

function needsPlatforms({ policy, excluded }: MatchedPolicy, result: PolicyResult | undefined): boolean {
  if (excluded || policy.platforms === undefined || policy.platforms === "index") return false;
  return policy.platforms === "each" || result?.passed !== true;
}

/** The evidence on one platform, and who asks. */
interface ReadChild {
  readonly child: Child;
  readonly question: Question;
  readonly facts: EvaluationFacts;
  readonly unsafe: readonly string[];
  readonly askedAt: number;
  readonly listedAt: number;
}

async function readChild(asked: Question, child: Child, evidenceAge: number): Promise<ReadChild> {
  const { ref, matched, store, trust, signal } = asked;
  const { digest } = child.descriptor;
  const question = { ...asked, part: child.platform };
  const evidence = await withDeadline(store.collect(ref, digest, trust, evidenceAge, searchOf(matched)), signal);
  const { askedAt, listedAt } = evidence;
  const situation = { ...situationOf(question), markOf: newestMark(asked, question) };
  const facts = { ...factsOf(digest, evidence, situation), ...(await configsOf(question, digest)) };
  return { child, question, facts, unsafe: staleness({ digest, resolvedAt: listedAt }, evidence), askedAt, listedAt };
}

/** A platform is held to what was accepted for it, and to what was for the image as a whole. */
function newestMark(whole: Question, part: Question): Situation["markOf"] {
  const [ofWhole, ofPart] = [situationOf(whole).markOf, situationOf(part).markOf];
  return (policy) => {
    const marks = [ofWhole?.(policy), ofPart?.(policy)].filter((mark) => mark !== undefined);
    return marks.length === 0 ? undefined : Math.max(...marks);
  };
}

function overall(
  asked: Question,
  match: MatchedPolicy,
  onIndex: PolicyResult,
  read: readonly ReadChild[],
): PolicyResult {
  const each = read.map(({ child, question, facts }) => {
    const result = evaluatePolicy(match.policy, false, facts);
    return { child, result, raise: () => raiseMark(question, match, result, facts.proofs) };
  });
  const findings = each.length === 0 ? [noImages()] : each.flatMap(({ child, result }) => findingsOf(child, result));
  const own = match.policy.platforms === "index-or-each" ? onIndex.findings : [];
  if (each.length === 0 || each.some(({ result }) => !result.passed)) return failed(onIndex, [...own, ...findings]);
  // Accepted as a whole since all of it is there.
  const since = Math.min(...each.map(({ raise }) => raise() ?? Number.NEGATIVE_INFINITY));
  const key = markKey(match.policy, asked.ref, asked.part);
  if (key !== undefined && Number.isFinite(since)) asked.marks.raise(key, since);
  const opened = each.find(({ result }) => result.static !== undefined)?.result.static;
  const satisfiedBy = each.flatMap(({ result }) => result.satisfiedBy);
  return { ...onIndex, passed: true, satisfiedBy, findings: [], ...(opened === undefined ? {} : { static: opened }) };
}

function failed(result: PolicyResult, findings: readonly Finding[]): PolicyResult {
  return { ...result, passed: false, satisfiedBy: [], findings };
}

function findingsOf({ platform, descriptor }: Child, { findings }: PolicyResult): readonly Finding[] {
  const name = `${platform === "" ? "no platform" : platform}, ${descriptor.digest}`;
  return findings.map((finding) => ({ ...finding, message: `${name}: ${finding.message}` }));
}

function noImages(): Finding {
  return toFinding(
    new TrustError("PLATFORM_NOT_FOUND", "the index holds no image, so there is nothing that could be signed", {
      expected: "an image for at least one platform",
      found: "none",
    }),
  );
}
