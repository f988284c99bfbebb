import { RegistryError } from "./errors.ts";

/** The largest page that is given, whatever is asked for. */
const maxPage = 1000;

export interface Page {
  readonly items: readonly string[];
  /** The `Link` header of the next page. */
  readonly link?: string;
}

interface PageQuery {
  readonly n?: string | undefined;
  readonly last?: string | undefined;
}

/** How names are ordered in lists: without regard to case, then by it (distribution-spec v1.1, "Listing Tags"). */
export function compareNames(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x !== y) return x < y ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A page of names that are in the order of {@link compareNames}. Throws `UNSUPPORTED` (400). */
export function takePage(sorted: readonly string[], path: string, query: PageQuery): Page {
  const { n, last } = query;
  if (n !== undefined && !/^\d{1,9}$/.test(n))
    throw new RegistryError(400, "UNSUPPORTED", "n is not a number", { detail: { n: n.slice(0, 100) } });
  const count = Math.min(n === undefined ? maxPage : Number(n), maxPage);
  const start = last === undefined ? 0 : firstAfter(sorted, last);
  const items = sorted.slice(start, start + count);
  const end = items.at(-1);
  if (end === undefined || start + count >= sorted.length) return { items };
  return { items, link: nextLink(path, { n: String(count), last: end }) };
}

/** A `Link` header to the next page (RFC 8288). */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}

function firstAfter(sorted: readonly string[], last: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareNames(sorted[middle] ?? "", last) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
