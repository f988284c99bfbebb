/** What may be done with what: actions (`pull`, `push` …) by `type:name`, as tokens have it. */
export type Scopes = ReadonlyMap<string, ReadonlySet<string>>;

const maxScopes = 50;

/** The scopes of one repository. */
export function repositoryScope(repository: string, ...actions: readonly string[]): Scopes {
  return new Map([[`repository:${repository}`, new Set(actions)]]);
}

/** The right to list the repositories of a registry. */
export const catalogScope: Scopes = new Map([["registry:catalog", new Set(["*"])]]);
export const noScopes: Scopes = new Map();

/** Parses `repository:NAME:pull,push repository:…` (distribution, token scope). What cannot be read is left out. */
export function parseScopes(text: string): Scopes {
  const scopes = new Map<string, Set<string>>();
  for (const part of text.split(/\s+/).slice(0, maxScopes)) {
    const match = /^([^:]+:.+):([^:]*)$/.exec(part);
    if (match === null) continue;
    const [, resource = "", actions = ""] = match;
    const known = scopes.get(resource) ?? new Set();
    for (const action of actions.split(",").filter(Boolean)) known.add(action);
    scopes.set(resource, known);
  }
  return scopes;
}

/** Everything that either allows. */
export function mergeScopes(a: Scopes, b: Scopes): Scopes {
  const merged = new Map(a);
  for (const [resource, actions] of b) merged.set(resource, new Set([...(merged.get(resource) ?? []), ...actions]));
  return merged;
}

/** Whether `held` allows all that is `wanted`. */
export function coversScopes(held: Scopes, wanted: Scopes): boolean {
  return [...wanted].every(([resource, actions]) => {
    const own = held.get(resource);
    return own !== undefined && (own.has("*") || [...actions].every((action) => own.has(action)));
  });
}

/** One text for one set of scopes, in order. */
export function formatScopes(scopes: Scopes): readonly string[] {
  return [...scopes].map(([resource, actions]) => `${resource}:${[...actions].sort().join(",")}`).sort();
}
