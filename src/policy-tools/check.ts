import { asTrustError, TrustError } from "../errors.ts";
import type { PolicySet } from "../policy/policy.ts";
import { type Problem, problemsOf } from "../policy/problem.ts";
import { lintPolicies } from "./lint.ts";
import type { Lint } from "./remark.ts";
import type { WrittenObjects } from "./written.ts";

/** What is wrong with policies: why they do not load, or else what they will never do. */
export interface PolicyCheck {
  readonly policies: number;
  readonly exceptions: number;
  readonly problems: readonly Problem[];
  readonly lints: readonly Lint[];
}

export interface CheckRequest {
  /** Loads the policies that are checked, as they would be in force: all of them together. */
  readonly load: () => Promise<PolicySet>;
  /** The folder that their files were named from. */
  readonly cwd: string;
  /** The objects among them, by the name that loading gave them. */
  readonly objects?: WrittenObjects | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Checks policies as they would be loaded. Throws what loading throws, but for `POLICY_INVALID`, which is what it tells. */
export async function checkPolicies({ load, ...about }: CheckRequest): Promise<PolicyCheck> {
  try {
    const set = await load();
    const lints = await lintPolicies(set, about);
    return { policies: set.policies.length, exceptions: set.exceptions?.length ?? 0, problems: [], lints };
  } catch (error) {
    const problems = error instanceof TrustError ? problemsOf(error) : undefined;
    if (problems === undefined) throw asTrustError(error);
    return { policies: 0, exceptions: 0, problems, lints: [] };
  }
}
