import { describeJson } from "../crypto/describe-json.ts";
import { TrustError } from "../errors.ts";
import {
  elementsOf,
  isSet,
  membersOf,
  optionalText,
  type Place,
  problemAt,
  readDocument,
  textOf,
  windowOf,
} from "./fields.ts";
import { isWithin, type Window } from "./trust-root.ts";

export const signingConfigMediaType = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/** What a signer needs services for: certificates (Fulcio), identity tokens, log entries (Rekor), RFC 3161 timestamps. */
export type ServiceKind = "ca" | "oidc" | "log" | "timestamp";

/** One instance of a service. */
export interface Service {
  /** Base URL, `http:` or `https:`; of a timestamp authority the whole URL. As written. */
  readonly url: string;
  /** 0 is a service that is not released. */
  readonly apiVersion: number;
  readonly window: Window;
  /** Who runs it; empty where that is not said. */
  readonly operator: string;
}

/** How many services to use: one of them, all of them, or that many; always at most one of an operator. */
export type Selector =
  | { readonly kind: "any" }
  | { readonly kind: "all" }
  | { readonly kind: "exact"; readonly count: number };

/** What to sign with (protobuf-specs `SigningConfig`). An empty list: that service is not used. */
export interface SigningConfig {
  readonly services: Readonly<Record<ServiceKind, readonly Service[]>>;
  /** Of the kinds that more than one service may be used of; there wherever the list is not empty. */
  readonly selectors: { readonly log?: Selector; readonly timestamp?: Selector };
}

const maxServices = 100;

/**
 * Parses a signing configuration v0.2, strictly: UTF-8 JSON of at most 4 MiB, no field twice, none unknown. Throws
 * `SIGNING_CONFIG_INVALID`.
 */
export function parseSigningConfig(document: Uint8Array): SigningConfig {
  const place = readDocument(document, "the signing configuration", "SIGNING_CONFIG_INVALID");
  const names = ["caUrls", "oidcUrls", "rekorTlogUrls", "rekorTlogConfig", "tsaUrls", "tsaConfig"] as const;
  const { mediaType, ...fields } = membersOf(place, ["mediaType", ...names]);
  if (mediaType.value !== signingConfigMediaType)
    throw problemAt(mediaType, "is not supported", signingConfigMediaType, describeJson(mediaType.value));
  const log = servicesOf(fields.rekorTlogUrls);
  const timestamp = servicesOf(fields.tsaUrls);
  return {
    services: { ca: servicesOf(fields.caUrls), oidc: servicesOf(fields.oidcUrls), log, timestamp },
    selectors: {
      ...(log.length === 0 ? {} : { log: selectorOf(fields.rekorTlogConfig) }),
      ...(timestamp.length === 0 ? {} : { timestamp: selectorOf(fields.tsaConfig) }),
    },
  };
}

function servicesOf(place: Place): readonly Service[] {
  return elementsOf(place, maxServices).map((element) => {
    const { url, majorApiVersion, validFor, operator } = membersOf(element, [
      "url",
      "majorApiVersion",
      "validFor",
      "operator",
    ]);
    return {
      url: urlOf(url),
      apiVersion: countOf(majorApiVersion),
      window: windowOf(validFor),
      operator: optionalText(operator) ?? "",
    };
  });
}

function urlOf(place: Place): string {
  const text = textOf(place);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    // Not repeated: what stands before an @ is a secret.
    throw problemAt(place, "is not the address of a service", "https://HOST[/PATH]");
  return text;
}

/** An unsigned number of Protobuf: 0 where it is not set. */
function countOf(place: Place): number {
  const { value } = place;
  if (!isSet(place)) return 0;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw problemAt(place, "is not a number", "a whole number from 0", describeJson(value));
  return value;
}

/** A missing one is refused (`SERVICE_SELECTOR_UNDEFINED`). */
function selectorOf(place: Place): Selector {
  if (!isSet(place)) throw problemAt(place, "is missing", "a selector: ANY, ALL or EXACT");
  const { selector, count } = membersOf(place, ["selector", "count"]);
  if (selector.value === "ANY") return { kind: "any" };
  if (selector.value === "ALL") return { kind: "all" };
  if (selector.value !== "EXACT")
    throw problemAt(selector, "is not known", "ANY, ALL or EXACT", describeJson(selector.value));
  const number = countOf(count);
  if (number === 0) throw problemAt(count, "is missing", "how many services: 1 or more");
  return { kind: "exact", count: number };
}

/**
 * The services to use, all of them; none only where the configuration names none of that kind. Only services whose window
 * holds `now` (milliseconds since 1970) count, of the highest API version that the caller knows, one of each operator: the
 * one that started last, of equals the first. Certificates and tokens come from one service; logs and timestamp authorities
 * as many as the selector says. Throws `SIGNING_CONFIG_INVALID` where there are too few.
 */
export function selectServices(
  config: SigningConfig,
  kind: ServiceKind,
  now: number,
  apiVersions: readonly number[],
): readonly Service[] {
  const services = config.services[kind];
  if (services.length === 0) return [];
  const usable = services.filter(({ apiVersion, window }) => apiVersions.includes(apiVersion) && isWithin(window, now));
  const version = Math.max(...usable.map(({ apiVersion }) => apiVersion));
  const newest = usable
    .filter(({ apiVersion }) => apiVersion === version)
    .sort((a, b) => b.window.start - a.window.start);
  const candidates = newest.filter(
    ({ operator }, index) => newest.findIndex((other) => other.operator === operator) === index,
  );
  const wanted = numberWanted(config, kind, candidates.length);
  if (candidates.length >= wanted) return candidates.slice(0, wanted);
  throw new TrustError("SIGNING_CONFIG_INVALID", `the signing configuration has too few services for ${nouns[kind]}`, {
    expected: `${wanted} in use at ${new Date(now).toISOString()}, of API version ${apiVersions.join(" or ")}, of distinct operators`,
    found: `${candidates.length} of ${services.length}`,
  });
}

const nouns: Readonly<Record<ServiceKind, string>> = {
  ca: "certificates",
  oidc: "identity tokens",
  log: "log entries",
  timestamp: "timestamps",
};

/** At least one: a configuration that names services wants them used. */
function numberWanted({ selectors }: SigningConfig, kind: ServiceKind, available: number): number {
  const selector = kind === "log" ? selectors.log : kind === "timestamp" ? selectors.timestamp : undefined;
  if (selector?.kind === "exact") return selector.count;
  return selector?.kind === "all" ? Math.max(1, available) : 1;
}
