const defaultTimeout = 10_000;
/** The longest `timeoutSeconds` that Kubernetes takes. */
const maxTimeout = 30_000;

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const duration = new RegExp(`^(?:${part.source})+$`);

/** A duration as Go writes it (`10s`, `1m30s`, `1.5s`) in milliseconds, or undefined. Negative ones are not taken. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > 50 || !duration.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit = ""] of text.matchAll(part)) sum += Number(amount) * (unitMs[unit] ?? Number.NaN);
  return sum;
}

/**
 * How long a review may take from its arrival, in milliseconds: the API server's own timeout, which it sends as
 * `?timeout=10s`, less a tenth (100 ms to 1 s) for the way back.
 */
export function budgetOf(timeout: unknown): number {
  const asked = typeof timeout === "string" ? parseGoDuration(timeout) : undefined;
  const whole = asked === undefined || asked <= 0 ? defaultTimeout : Math.min(asked, maxTimeout);
  return Math.max(whole - Math.min(Math.max(whole / 10, 100), 1000), whole / 2);
}
