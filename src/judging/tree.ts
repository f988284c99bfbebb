import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { EvidenceStore } from "../evidence/store.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { ImageReference } from "../oci/reference.ts";
import type { Verdict } from "../policy/verdict.ts";

const childrenAtOnce = 8;
const outcomes = ["deny", "warn", "allow"] as const;

/** Something below an index: its name, with its digest, and what the index says it is for. */
export interface Part {
  readonly ref: ImageReference;
  readonly platform: string;
}

/** The image that a tree is made for, where what is below it is found, and who judges that. */
export interface Tree {
  readonly ref: ImageReference;
  readonly store: Pick<EvidenceStore, "children">;
  verify(part: Part): Promise<Verdict>;
}

/**
 * The verdict with one for everything below the image that can be run, nested indexes included. The whole is as good as
 * the worst of it, and says which that is. An image without children is as it was, and so is one that no policy judges.
 */
export async function withChildren(verdict: Verdict, { ref, store, verify }: Tree): Promise<Verdict> {
  const { digest } = verdict;
  if (digest === undefined || verdict.policies.length === 0) return verdict;
  try {
    const parts = ((await store.children(ref, digest)) ?? []).filter(({ isRunnable }) => isRunnable);
    const children = await mapLimit(parts, childrenAtOnce, async ({ platform, descriptor }) => {
      const child = await verify({ ref: { ...ref, digest: descriptor.digest }, platform });
      return platform === "" ? child : { ...child, platform };
    });
    return worstOf(verdict, children);
  } catch (error) {
    const finding = toFinding(error);
    const status = finding.category === "untrusted" ? "untrusted" : "unavailable";
    return { ...verdict, outcome: "deny", status, findings: [...verdict.findings, finding] };
  }
}

function worstOf(verdict: Verdict, children: readonly Verdict[]): Verdict {
  const all = [verdict, ...children];
  const outcome = outcomes.find((candidate) => all.some((item) => item.outcome === candidate)) ?? "deny";
  const worse = children.filter((child) => child.outcome !== "allow");
  const telling = all.filter((item) => item.outcome === outcome);
  const status = outcome === verdict.outcome ? verdict.status : (telling[0]?.status ?? verdict.status);
  const until = all.flatMap(({ validUntil }) => validUntil ?? []).sort()[0];
  return {
    ...verdict,
    outcome,
    status: telling.some((item) => item.status === "unavailable") ? "unavailable" : status,
    findings: [...verdict.findings, ...(worse.length === 0 ? [] : [notAll(worse, children.length)])],
    unsafe: [...new Set(all.flatMap(({ unsafe }) => unsafe))],
    evidence: [...new Set(all.flatMap(({ evidence }) => evidence))],
    children,
    ...(until === undefined ? {} : { validUntil: until }),
  };
}

function notAll(worse: readonly Verdict[], of: number): Finding {
  const named = worse.slice(0, 20).map(({ platform, digest }) => platform ?? digest ?? "unknown");
  return toFinding(
    new TrustError("PLATFORM_NOT_TRUSTED", `${worse.length} of ${of} below the image are not trusted`, {
      expected: "every platform trusted",
      found: named.join(", "),
    }),
  );
}
