import type { TrustError } from "../src/index.ts";
import type { Log } from "./log.ts";

/** What is said of an API server that does not answer: when it begins, when it is of another kind, now and then, and when it ends. */
export interface TroubleLog {
  met(kind: string, error: TrustError): void;
  over(kind: string): void;
}

const sayAgain = 5 * 60_000;

export function createTroubleLog(log: Log, now: () => number): TroubleLog {
  const troubles = new Map<string, { readonly code: string; readonly at: number }>();
  return {
    met(kind, { code, message, expected, found }) {
      const before = troubles.get(kind);
      if (before?.code === code && now() - before.at < sayAgain) return;
      troubles.set(kind, { code, at: now() });
      log.warn(
        { kind, code, message, expected, found },
        "the cluster cannot be followed; what is known of it stays in force",
      );
    },
    over(kind) {
      if (troubles.delete(kind)) log.info({ kind }, "the cluster is followed again");
    },
  };
}
