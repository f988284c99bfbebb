import { LRUCache } from "lru-cache";
import type { RepositoryName } from "./reference.ts";
import type { ReferrersPage } from "./registry.ts";

/** A page of referrers; `certain` where it is the registry itself that says it has no referrers API. */
export interface AskedReferrers extends ReferrersPage {
  readonly certain?: boolean;
}

/**
 * Remembers for a minute which namespaces of a registry have no referrers API, so that a hundred images cost one question.
 * A namespace is all of a name but its last part: registries that serve others' content from one host tell it apart by
 * the parts before. The first question goes alone; what waits for it asks for itself where it fails.
 */
export interface ReferrersSupport {
  list(name: RepositoryName, ask: () => Promise<AskedReferrers>): Promise<ReferrersPage>;
}

interface Known {
  readonly hasApi: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
}

const rememberedFor = 60_000;
const maxNamespaces = 1000;

export function createReferrersSupport(now: () => number): ReferrersSupport {
  const known = new LRUCache<string, Known>({ max: maxNamespaces });
  const asking = new Map<string, Promise<AskedReferrers>>();
  const recall = (namespace: string) => {
    const found = known.get(namespace);
    const age = now() - (found?.since ?? Number.NaN);
    return age >= 0 && age < rememberedFor ? found?.hasApi : undefined;
  };
  return {
    async list({ registry, repository }, ask) {
      const namespace = `${registry}/${repository.slice(0, Math.max(0, repository.lastIndexOf("/")))}`;
      const running = asking.get(namespace);
      if (running !== undefined && recall(namespace) === undefined) await running.catch(() => undefined);
      if (recall(namespace) === false) return { supported: false, descriptors: [], complete: true };
      const question = ask();
      if (!asking.has(namespace)) asking.set(namespace, question);
      try {
        const { certain = false, ...page } = await question;
        if (page.supported || certain) known.set(namespace, { hasApi: page.supported, since: now() });
        return page;
      } finally {
        if (asking.get(namespace) === question) asking.delete(namespace);
      }
    },
  };
}
