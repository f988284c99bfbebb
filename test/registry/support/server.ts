import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { onTestFinished } from "vitest";
import { type RunningRegistry, type StartOptions, startRegistry } from "../../../src/registry/server.ts";
import { tempDir } from "../../support/process.ts";
import { type Client, clientOf } from "./client.ts";

export interface Stage extends RunningRegistry {
  readonly folder: string;
  readonly storage: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly client: Client;
  /** A client that signs in with the password of {@link usersFile}. */
  as(user: string): Client;
  readonly lines: string[];
}

/** A registry on a folder of its own, ended with the test. */
export async function stage(options: Partial<StartOptions> & { readonly folder?: string } = {}): Promise<Stage> {
  const folder = options.folder ?? testFolder();
  const storage = join(folder, "storage");
  const lines: string[] = [];
  const log = { write: (line: string) => void lines.push(line) };
  const server = await startRegistry({ storage, listen: "127.0.0.1:0", log, ...options });
  onTestFinished(() => server.close());
  const { url } = server;
  return {
    url,
    close: server.close,
    folder,
    storage,
    lines,
    host: new URL(url).host,
    client: clientOf(url),
    as: (user) => clientOf(url, { user: `${user}:secret of ${user}` }),
  };
}

export function testFolder(): string {
  const folder = tempDir("registry");
  onTestFinished(() => folder.cleanup());
  return folder.path;
}

/** An htpasswd file; the password of each is `secret of NAME`. Cheap hashes, because the tests sign in often. */
export function usersFile(folder: string, ...names: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "users");
  writeFileSync(file, names.map((name) => `${name}:${hashSync(`secret of ${name}`, 4)}\n`).join(""));
  return file;
}

export function configFile(folder: string, config: unknown): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "config.yaml");
  // The file is YAML, and JSON is YAML.
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  return file;
}
