import { randomBytes } from "node:crypto";
import type { Answer, Question, Server } from "./http.ts";

/** MUST and SHOULD as the specification has them; MAY is what it leaves open and a registry may be held to all the same. */
type Level = "MUST" | "SHOULD" | "MAY";

/** One repository of the server under test; its name is new, so that no check meets the traces of another. */
export interface Repository {
  readonly name: string;
  readonly server: Server;
  /** Asks for a path below `/v2/NAME/`. */
  ask(method: string, path: string, question?: Question): Promise<Answer>;
  /** Another one on the same server; with a new name where none is given. */
  another(name?: string): Repository;
}

/** One thing that the specification asks of a registry, and how it is seen from outside. */
export interface Requirement {
  readonly id: string;
  readonly level: Level;
  /** Endpoint or chapter of distribution-spec v1.1.1. */
  readonly section: string;
  /** What the registry does. */
  readonly title: string;
  /** Throws where it does not. */
  readonly check: (repository: Repository) => Promise<void>;
}

type Add = (id: string, title: string, check: Requirement["check"]) => Requirement;

/** Makers of the requirements of one section. */
export function section(name: string): { readonly must: Add; readonly should: Add; readonly may: Add } {
  const at =
    (level: Level): Add =>
    (id, title, check) => ({ id, level, section: name, title, check });
  return { must: at("MUST"), should: at("SHOULD"), may: at("MAY") };
}

export function openRepository(server: Server, name = `spec/${randomBytes(8).toString("hex")}`): Repository {
  return {
    name,
    server,
    ask: (method, path, question) => server.ask(method, `/v2/${name}/${path}`, question),
    another: (other) => openRepository(server, other),
  };
}

/** `[MUST] end-3 Pulling Manifests: gives … (pull-by-tag)`. */
export function nameOf({ id, level, section: where, title }: Requirement): string {
  return `[${level}] ${where}: ${title} (${id})`;
}

/** Why a server does not meet a requirement; nothing where it does. */
async function shortfall(requirement: Requirement, server: Server): Promise<string | undefined> {
  try {
    await requirement.check(openRepository(server));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** All shortfalls of a server, by requirement; a few are looked at at a time. */
export async function shortfalls(
  requirements: readonly Requirement[],
  server: Server,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const rest = requirements.values();
  const work = async () => {
    for (const requirement of rest) {
      const why = await shortfall(requirement, server);
      if (why !== undefined) found.set(requirement.id, why);
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  return found;
}
