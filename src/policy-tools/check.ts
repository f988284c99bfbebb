import { asTrustError, TrustError } from "../errors.ts";
import type { PolicySources } from "../policy/authority-rules.ts";
import { loadPolicies } from "../policy/load.ts";
import { type Problem, problemsOf } from "../policy/problem.ts";
import { lintPolicies } from "./lint.ts";
import type { Lint } from "./remark.ts";

/** What is wrong with policies: why they do not load, or else what they will never do. */
export interface PolicyCheck {
  readonly policies: number;
  readonly exceptions: number;
  readonly problems: readonly Problem[];
  readonly lints: readonly Lint[];
}

export interface CheckRequest {
  readonly paths: readonly string[];
  readonly cwd: string;
  readonly openRoot?: PolicySources["openRoot"];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Checks policies as they would be loaded: all of them together. Throws `POLICY_NOT_FOUND` and the errors of files. */
export async function checkPolicies({ paths, cwd, openRoot, now }: CheckRequest): Promise<PolicyCheck> {
  try {
    const set = await loadPolicies(paths, cwd, openRoot);
    const lints = await lintPolicies(set, cwd, now);
    return { policies: set.policies.length, exceptions: set.exceptions?.length ?? 0, problems: [], lints };
  } catch (error) {
    const problems = error instanceof TrustError ? problemsOf(error) : undefined;
    if (problems === undefined) throw asTrustError(error);
    return { policies: 0, exceptions: 0, problems, lints: [] };
  }
}
