import { raceSignal } from "../oci/waiting.ts";
import type { Access, Identity } from "./access.ts";

/** Milliseconds; well below the time for which an old token is still accepted. */
const maxAge = 60_000;

/** Makes an identity once a minute, or when it must be new; whoever asks meanwhile waits for the same one. */
export function renewed(make: (anew: boolean) => Promise<Identity>): Access["identify"] {
  let latest: { readonly identity: Promise<Identity>; readonly at: number; settled: boolean } | undefined;
  return ({ anew, signal }) => {
    const old = latest === undefined || (latest.settled && (anew || performance.now() - latest.at >= maxAge));
    const current =
      !old && latest !== undefined ? latest : { identity: make(anew), at: performance.now(), settled: false };
    if (current !== latest) {
      latest = current;
      current.identity.then(
        () => {
          current.settled = true;
        },
        () => {
          // An error is not remembered.
          if (latest === current) latest = undefined;
        },
      );
    }
    return raceSignal(current.identity, signal, "the search for the cluster's credentials");
  };
}
