import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hash } from "bcryptjs";
import { TrustError } from "../errors.ts";
import { readSmallFile, writeNewFiles } from "../keys/files.ts";
import { alone } from "./storage/locks.ts";

/** Users by name, with the bcrypt hash of their password. */
export type Users = ReadonlyMap<string, string>;

const cost = 10;
/** bcrypt looks at no more than that. */
const maxPasswordBytes = 72;
const userName = /^[A-Za-z0-9._@+-]{1,128}$/;
/** The cost is bounded, because it is paid at each sign-in. */
const bcryptHash = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;

interface ParsedUsers {
  readonly users: Users;
  /** What is wrong, as `file:line: what`. */
  readonly problems: readonly string[];
}

/** Reads `NAME:HASH` lines; bcrypt only. Blank lines and lines that start with `#` are left out. */
function parseUsers(text: string, file: string): ParsedUsers {
  const users = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const place = `${file}:${index + 1}`;
    const colon = line.indexOf(":");
    const [name, hashed] = [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1).trim()];
    if (!isUserName(name)) problems.push(`${place}: not a user name before the first colon`);
    else if (!bcryptHash.test(hashed)) problems.push(`${place}: not a bcrypt hash of cost 4 to 14 after the user name`);
    else if (users.has(name)) problems.push(`${place}: the user is there twice`);
    else users.set(name, hashed);
  }
  return { users, problems };
}

/** `anonymous` is the word for those who did not sign in. */
function isUserName(name: string): boolean {
  return userName.test(name) && name !== "anonymous";
}

/** Loads an htpasswd file. Throws `CONFIG_INVALID` with file and line, `FILE_NOT_FOUND`, `FILE_UNREADABLE`. */
export async function loadUsers(file: string): Promise<Users> {
  const { users, problems } = parseUsers((await readSmallFile(file, "the users file")).toString(), file);
  if (problems.length === 0) return users;
  throw new TrustError("CONFIG_INVALID", problems.join("\n"), {
    expected: "NAME:$2y$…, one user a line",
    hint: "Write the file with: trust registry user add NAME",
  });
}

const lookAgainMs = 1000;

/**
 * Loads an htpasswd file and follows its changes, within a second. A line that cannot be read later on leaves that user
 * out, a file that is gone leaves out all; `warn` is told.
 */
export async function followUsers(file: string, warn: (message: string) => void): Promise<() => Promise<Users>> {
  let seen = await versionOf(file);
  let users = await loadUsers(file);
  let lookedAt = Date.now();
  return async () => {
    if (Date.now() - lookedAt < lookAgainMs) return users;
    lookedAt = Date.now();
    const version = await versionOf(file);
    if (version === seen) return users;
    seen = version;
    try {
      const parsed = parseUsers((await readSmallFile(file, "the users file")).toString(), file);
      users = parsed.users;
      parsed.problems.forEach(warn);
    } catch (error) {
      users = new Map();
      warn(error instanceof Error ? error.message : `${file} cannot be read`);
    }
    return users;
  };
}

async function versionOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  return found === undefined ? "" : [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(" ");
}

/**
 * Adds a user, or gives an existing one another password; of several at the same time none is lost. The file is made if
 * need be, readable by its owner alone; a link to it stays one.
 */
export async function userAdd(file: string, name: string, password: string): Promise<"added" | "changed"> {
  if (!isUserName(name))
    throw new TrustError("USAGE", "not a user name", {
      expected: "letters, digits and . _ @ + -, and not the word anonymous",
      found: name.slice(0, 130),
    });
  const length = Buffer.byteLength(password);
  if (length === 0 || length > maxPasswordBytes)
    throw new TrustError("USAGE", "the password is empty or too long", {
      expected: `1 to ${maxPasswordBytes} bytes`,
      found: `${length} bytes`,
    });
  const entry = `${name}:${await hash(password, cost)}`;
  return change(file, async (path) => {
    const lines = await linesOf(path);
    const at = lines.findIndex((line) => line.startsWith(`${name}:`));
    await writeLines(path, at < 0 ? [...lines, entry] : lines.with(at, entry));
    return at < 0 ? "added" : "changed";
  });
}

/** Removes a user; false where there is none of that name. A registry that runs refuses the user within a second. */
export async function userRemove(file: string, name: string): Promise<boolean> {
  return change(file, async (path) => {
    const lines = await linesOf(path);
    const rest = lines.filter((line) => !line.startsWith(`${name}:`));
    if (rest.length === lines.length) return false;
    await writeLines(path, rest);
    return true;
  });
}

/** One writer at a time, also among processes: who writes puts down the whole file. */
async function change<T>(file: string, run: (path: string) => Promise<T>): Promise<T> {
  const path = await realpath(file).catch(() => file);
  return alone(join(dirname(path), `.${basename(path)}.lock`), () => run(path));
}

async function linesOf(file: string): Promise<string[]> {
  try {
    const text = (await readSmallFile(file, "the users file")).toString();
    return text.split(/\r?\n/).filter((line) => line !== "");
  } catch (error) {
    if (error instanceof TrustError && error.code === "FILE_NOT_FOUND") return [];
    throw error;
  }
}

async function writeLines(file: string, lines: readonly string[]): Promise<void> {
  const content = lines.map((line) => `${line}\n`).join("");
  await writeNewFiles([{ path: file, content, mode: 0o600 }], { replace: true });
}
