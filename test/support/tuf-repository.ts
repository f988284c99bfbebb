import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";

/** Files of a TUF repository by path; changed by {@link TufRepository}, copied by tests that go back in time. */
export type RepositoryFiles = Map<string, string>;

export interface TufRepository {
  /** The text of the first `root.json`. */
  readonly root: string;
  readonly files: RepositoryFiles;
  /** Publishes targets: new versions of everything but the root. `expires` of roles that are to be over soon. */
  publish(targets: Readonly<Record<string, string>>, expires?: Partial<Record<Role, string>>): void;
  /** Publishes a root with other keys for all roles, signed by the old and the new ones, and everything signed anew. */
  rotate(): void;
  /** A root that the old keys have not signed. */
  usurp(): void;
}

type Role = "root" | "timestamp" | "snapshot" | "targets";
const roles: readonly Role[] = ["root", "timestamp", "snapshot", "targets"];
const later = "2099-01-01T00:00:00Z";

interface TestKey {
  readonly id: string;
  readonly json: object;
  readonly privateKey: KeyObject;
}

/** A repository with one Ed25519 key for all roles, empty until something is published. */
export function createTufRepository(): TufRepository {
  const files: RepositoryFiles = new Map();
  let key = createKey();
  let rootVersion = 0;
  let version = 0;
  let published: Readonly<Record<string, string>> = {};

  const writeRoot = (signers: readonly TestKey[]): string => {
    rootVersion++;
    const role = { keyids: [key.id], threshold: 1 };
    const signed = {
      ...head("root", rootVersion),
      consistent_snapshot: true,
      keys: { [key.id]: key.json },
      roles: Object.fromEntries(roles.map((name) => [name, role])),
    };
    const text = signedText(signed, signers);
    files.set(`${rootVersion}.root.json`, text);
    return text;
  };
  const publish: TufRepository["publish"] = (targets, expires = {}) => {
    version++;
    published = targets;
    const entries = Object.entries(targets).map(([name, text]) => {
      const hash = sha256(text);
      files.set(`targets/${hash}.${name}`, text);
      return [name, { length: Buffer.byteLength(text), hashes: { sha256: hash } }] as const;
    });
    const targetsText = signedText({ ...head("targets", version, expires), targets: Object.fromEntries(entries) }, [
      key,
    ]);
    files.set(`${version}.targets.json`, targetsText);
    const snapshotText = signedText({ ...head("snapshot", version, expires), meta: { "targets.json": { version } } }, [
      key,
    ]);
    files.set(`${version}.snapshot.json`, snapshotText);
    const meta = { "snapshot.json": { version } };
    files.set("timestamp.json", signedText({ ...head("timestamp", version, expires), meta }, [key]));
  };
  const root = writeRoot([key]);
  return {
    root,
    files,
    publish,
    rotate() {
      const old = key;
      key = createKey();
      writeRoot([old, key]);
      publish(published);
    },
    usurp() {
      key = createKey();
      writeRoot([key]);
      publish(published);
    },
  };
}

function head(role: Role, version: number, expires: Partial<Record<Role, string>> = {}) {
  return { _type: role, spec_version: "1.0.31", version, expires: expires[role] ?? later };
}

function createKey(): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("hex");
  const json = { keytype: "ed25519", scheme: "ed25519", keyval: { public: raw } };
  return { id: sha256(canonical(json)), json, privateKey };
}

function signedText(signed: object, keys: readonly TestKey[]): string {
  const message = Buffer.from(canonical(signed));
  const signatures = keys.map(({ id, privateKey }) => ({
    keyid: id,
    sig: sign(null, message, privateKey).toString("hex"),
  }));
  return JSON.stringify({ signed, signatures });
}

/** Canonical JSON of the OLPC for what is here: objects in order, plain texts, whole numbers. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Writes the files below a folder, for `file:` mirrors. */
export function writeRepository(files: RepositoryFiles, folder: string): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

export interface ServedRepository extends AsyncDisposable {
  readonly url: string;
  /** What is served; may be put in another's place, or `undefined` for a server that fails. */
  files: RepositoryFiles | undefined;
}

/** Serves files on loopback. */
export async function serveRepository(files: RepositoryFiles): Promise<ServedRepository> {
  const served: { files: RepositoryFiles | undefined } = { files };
  const server = createServer((request, response) => {
    const text = served.files?.get(decodeURIComponent((request.url ?? "").slice(1)));
    const status = served.files === undefined ? 503 : text === undefined ? 404 : 200;
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(served, {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
