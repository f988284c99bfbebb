import { type PolicySet, type PolicyWatch, type PolicyWatchOptions, watchPolicies } from "../src/index.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export interface PolicyOptions {
  readonly paths: readonly string[];
  /** Relative paths start here. */
  readonly cwd: string;
  /** Opens trust roots that no policy file writes out, by name. */
  readonly openRoot?: PolicyWatchOptions["openRoot"];
  readonly rootFile?: PolicyWatchOptions["rootFile"];
  readonly metrics: Metrics;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Loads the policies and follows their files: a changed set takes effect whole, and where it does not load, the last
 * good one stays in force. Throws `POLICY_INVALID`, `POLICY_NOT_FOUND` where the first does not load.
 */
export async function followPolicies({ metrics, log, now, ...where }: PolicyOptions): Promise<PolicyWatch> {
  const watch = await watchPolicies({
    ...where,
    onChange(set) {
      const { policies, revision } = set;
      metrics.policiesLoaded(policies.length, now());
      log.info({ policies: policies.length, revision }, "policies changed");
      tellWarnings(log, set);
    },
    onError({ code, message, expected, found }) {
      metrics.policiesFailed();
      log.error({ code, message, expected, found }, "changed policies do not load; the last good ones stay in force");
    },
  });
  metrics.policiesLoaded(watch.current().policies.length, now());
  tellWarnings(log, watch.current());
  return watch;
}

const maxTold = 50;

/** What took effect otherwise than its author may think: policies of others that ask for what is not judged here. */
function tellWarnings(log: Log, { warnings = [] }: PolicySet): void {
  for (const { place, what, expected } of warnings.slice(0, maxTold))
    log.warn({ place, what, expected }, "policy warning");
}
