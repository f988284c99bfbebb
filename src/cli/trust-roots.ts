import { promises } from "node:fs";
import { dirname } from "node:path";
import { TrustError } from "../errors.ts";
import { readSmallFile, refuseExisting, writeNewFiles } from "../keys/files.ts";
import { knownRepositories } from "../trust/embedded.ts";
import { policyRootPath, storedRootPath, type TrustRootContext, trustRootFolder } from "../trust/open.ts";
import { checkRootName, formatStoredRoot, isRootName, type StoredRoot } from "../trust/stored-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import type { WebSettings } from "../trust/tuf-web.ts";
import type { CommandContext } from "./command.ts";
import { plain } from "./print.ts";
import { programVersion } from "./version.ts";

/** What trust roots are opened with on the command line; see `openTrustRoot`. */
export function trustRootContext({ io, resolvePath }: Pick<CommandContext, "io" | "resolvePath">): TrustRootContext & {
  readonly folder: string;
} {
  return { folder: trustRootFolder(io.env, io.homeFolder), resolvePath, readFile: readSmallFile };
}

/** Flag of the commands that read mirrors. */
export const mirrorOptions = {
  "ca-file": { value: "FILE", summary: "certificate authority of the mirror, PEM", completes: "files" },
} as const;

/** How mirrors on the web are spoken to, as the flags and the environment say. */
export async function webSettings(context: CommandContext, caFile: string | undefined): Promise<WebSettings> {
  const { io, verbose, resolvePath } = context;
  const ca = caFile === undefined ? undefined : await readSmallFile(resolvePath(caFile), "the certificate authority");
  return {
    ca: ca?.toString(),
    proxyEnv: io.env,
    userAgent: `trust/${programVersion()}`,
    onRequest: verbose
      ? ({ method, url, status }) => io.stderr.write(`${method} ${plain(url)} ${status ?? "no answer"}\n`)
      : undefined,
  };
}

/** The names of roots that may be opened: those known without being added, then the user's. */
export async function rootNames(folder: string): Promise<readonly string[]> {
  const found = await promises.readdir(folder).catch(() => []);
  const stored = found.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  return [...new Set([...Object.keys(knownRepositories), ...stored.filter(isRootName).sort()])];
}

/** Throws `USAGE` for what is no name, `FILE_EXISTS` for one that is taken. */
export async function refuseTaken(folder: string, name: string): Promise<void> {
  checkRootName(name);
  await refuseExisting([storedRootPath(folder, name)]).catch((error: unknown) => {
    if (!(error instanceof TrustError && error.code === "FILE_EXISTS")) throw error;
    const hint = `Renew it with: trust root update ${name}; or forget it with: trust root remove ${name}`;
    throw new TrustError("FILE_EXISTS", `there is a trust root ${name} already`, {
      found: error.found,
      hint,
      cause: error,
    });
  });
}

/** Keeps a root under its name, whole or not at all. Throws `FILE_EXISTS` unless it may be replaced, `FILE_UNWRITABLE`. */
export async function storeRoot(folder: string, root: StoredRoot, replace: boolean): Promise<void> {
  checkRootName(root.name);
  await makeFolder(folder);
  const path = storedRootPath(folder, root.name);
  await writeNewFiles([{ path, content: formatStoredRoot(root), mode: 0o600 }], { replace });
}

/** Keeps what was fetched for a policy document, in the place of what was. Throws `FILE_UNWRITABLE`. */
export async function storePolicyRoot(folder: string, source: TufSource, root: StoredRoot): Promise<void> {
  const path = policyRootPath(folder, source);
  await makeFolder(dirname(path));
  await writeNewFiles([{ path, content: formatStoredRoot(root), mode: 0o600 }], { replace: true });
}

async function makeFolder(folder: string): Promise<void> {
  await promises.mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new TrustError("FILE_UNWRITABLE", `the folder ${folder} cannot be made`, { cause });
  });
}

/** Forgets a root; false where there was none. Throws `USAGE`, `FILE_UNWRITABLE`. */
export async function forgetRoot(folder: string, name: string): Promise<boolean> {
  checkRootName(name);
  const path = storedRootPath(folder, name);
  try {
    await promises.unlink(path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return false;
    throw new TrustError("FILE_UNWRITABLE", `${path} cannot be removed`, { cause });
  }
}
