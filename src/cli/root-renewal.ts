import { setTimeout as sleep } from "node:timers/promises";
import { asTrustError } from "../errors.ts";
import { knownRepository } from "../trust/embedded.ts";
import { readPolicyRoot, readStoredRoot } from "../trust/open.ts";
import { isRootName } from "../trust/stored-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import type { WebSettings } from "../trust/tuf-web.ts";
import type { CommandContext } from "./command.ts";
import { storePolicyRoot, storeRoot, trustRootContext } from "./trust-roots.ts";

/** Where what happens in the background is told. */
interface RenewalLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RootRenewal {
  /** Milliseconds between two looks for newer roots. */
  readonly every: number;
  readonly web: WebSettings;
  readonly log: RenewalLog;
  /** The roots in use now, by name; those of policy documents by their id, with the repository that they come from. */
  readonly roots: () => ReadonlyMap<string, TufSource | undefined>;
}

/** Spreads the first look over that many milliseconds: many servers start at once. */
const firstWithin = 60_000;
/** How often it is seen whether another root came into use, and until what never came is tried again. */
const tick = 1000;
const retryAfter = 30_000;

/**
 * Renews the trust roots in use by TUF, for ever, beside everything else: no decision waits for it. What is fetched is stored
 * under the user's roots, whose files whoever uses them follows. What a policy document wants fetched and never was is fetched at
 * once. What cannot be renewed is told, and the root in use stays.
 */
export async function renewRoots(context: CommandContext, renewal: RootRenewal, signal: AbortSignal): Promise<void> {
  const { every } = renewal;
  const first = performance.now() + Math.min(every, firstWithin) * Math.random();
  const due = new Map<string, number>();
  while (await pause(Math.min(every, tick), signal)) {
    const roots = renewal.roots();
    for (const name of due.keys()) if (!roots.has(name)) due.delete(name);
    for (const [name, tuf] of roots) {
      const at = due.get(name) ?? ((await isMissing(context, tuf)) ? 0 : first);
      due.set(name, at);
      if (performance.now() < at) continue;
      await renewOne(context, renewal, name, tuf, signal);
      const next = (await isMissing(context, tuf)) ? Math.min(every, retryAfter) : every;
      due.set(name, performance.now() + next);
    }
  }
}

/** Whether nothing can be decided by a root because it never came. */
async function isMissing(context: CommandContext, tuf: TufSource | undefined): Promise<boolean> {
  if (tuf === undefined) return false;
  const stored = await readPolicyRoot(tuf, trustRootContext(context)).catch(() => undefined);
  return stored === undefined;
}

async function renewOne(
  context: CommandContext,
  { web, log }: RootRenewal,
  name: string,
  tuf: TufSource | undefined,
  signal: AbortSignal,
): Promise<void> {
  const how = { web, now: context.io.now(), signal };
  try {
    const isRenewed = tuf === undefined ? await renewNamed(context, name, how) : await renewWritten(context, tuf, how);
    if (isRenewed) log.info({ root: tuf?.name ?? name }, "trust root renewed");
  } catch (error) {
    const { code, message, expected, found } = asTrustError(error);
    if (!signal.aborted)
      log.warn(
        { root: tuf?.name ?? name, code, message, expected, found },
        "trust root not renewed; the one in use stays",
      );
  }
}

interface How {
  readonly web: WebSettings;
  readonly now: number;
  readonly signal: AbortSignal;
}

async function renewNamed(context: CommandContext, name: string, how: How): Promise<boolean> {
  const roots = trustRootContext(context);
  if (!isRootName(name)) return false;
  const stored = await readStoredRoot(name, roots);
  const isByTuf = stored === undefined ? knownRepository(name) !== undefined : stored.source.kind === "tuf";
  if (!isByTuf) return false;
  const { renewRoot } = await import("../trust/refresh.ts");
  await storeRoot(roots.folder, await renewRoot(name, stored, how), true);
  return true;
}

async function renewWritten(context: CommandContext, tuf: TufSource, how: How): Promise<boolean> {
  const roots = trustRootContext(context);
  const { renewPolicyRoot } = await import("../trust/refresh.ts");
  await storePolicyRoot(roots.folder, tuf, await renewPolicyRoot(tuf, await readPolicyRoot(tuf, roots), how));
  return true;
}

async function pause(time: number, signal: AbortSignal): Promise<boolean> {
  await sleep(time, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}
