import { type Finding, toFinding } from "../errors.ts";
import { expiryOf, issuedAt, stalenessOf } from "../trust/staleness.ts";
import type {
  CertificateAuthority,
  CertificateLog,
  EvidenceMinima,
  SkippedEntry,
  TrustRoot,
  Window,
} from "../trust/trust-root.ts";
import type { Output } from "./io.ts";
import { formatFinding, formatTable, paint, plain } from "./print.ts";

/** A trust root in the output of commands; plain JSON. Times RFC 3339. */
export interface PrintedRoot {
  readonly name: string;
  readonly source: string;
  readonly mirror?: string;
  readonly revision: string;
  readonly issued?: string;
  readonly expires?: string;
  /** What is wrong with its age. */
  readonly stale?: Finding;
  readonly require: EvidenceMinima;
  readonly relaxed: readonly string[];
  readonly skipped: readonly SkippedEntry[];
  readonly certificateAuthorities: readonly PrintedAuthority[];
  readonly logs: readonly PrintedLog[];
  readonly certificateLogs: readonly PrintedLog[];
  readonly timestampAuthorities: readonly PrintedAuthority[];
}

interface PrintedWindow {
  readonly start: string;
  readonly end?: string;
}

interface PrintedAuthority {
  readonly uri: string;
  readonly operator: string;
  readonly anchor: string;
  readonly validFor: PrintedWindow;
  /** Hex SHA-256 of the certificates, the anchor last. */
  readonly fingerprints: readonly string[];
}

interface PrintedLog {
  readonly url: string;
  readonly operator: string;
  readonly algorithm: string;
  readonly validFor: PrintedWindow;
  /** Hex. */
  readonly logId: string;
}

/** The root as plain JSON, at a time. */
export function toPrintedRoot(root: TrustRoot, now: number): PrintedRoot {
  const { source } = root;
  const issued = issuedAt(root);
  const expires = expiryOf(root);
  const stale = stalenessOf(root, now);
  return {
    name: root.name,
    source: source.kind,
    ...(source.kind === "tuf" ? { mirror: source.mirror } : {}),
    revision: root.revision,
    ...(issued === undefined ? {} : { issued: timeOf(issued) }),
    ...(expires === undefined ? {} : { expires: timeOf(expires) }),
    ...(stale === undefined ? {} : { stale: toFinding(stale.error) }),
    require: root.require,
    relaxed: root.relaxed,
    skipped: root.skipped,
    certificateAuthorities: root.certificateAuthorities.map(toPrintedAuthority),
    logs: root.logs.map(toPrintedLog),
    certificateLogs: root.certificateLogs.map(toPrintedLog),
    timestampAuthorities: root.timestampAuthorities.map(toPrintedAuthority),
  };
}

function toPrintedAuthority({ uri, operator, chain, window }: CertificateAuthority): PrintedAuthority {
  const fingerprints = chain.map(({ fingerprint }) => fingerprint);
  return { uri, operator, anchor: chain.at(-1)?.subject.text ?? "", validFor: toPrintedWindow(window), fingerprints };
}

function toPrintedLog({ baseUrl, operator, key, window, logId }: CertificateLog): PrintedLog {
  const validFor = toPrintedWindow(window);
  return { url: baseUrl, operator, algorithm: key.algorithm, validFor, logId: logId.toString("hex") };
}

function toPrintedWindow({ start, end }: Window): PrintedWindow {
  return { start: timeOf(start), ...(end === undefined ? {} : { end: timeOf(end) }) };
}

function timeOf(time: number): string {
  return new Date(time).toISOString();
}

/** `a log entry or a timestamp, an SCT` */
export function aboutMinima({ log, timestamp, logOrTimestamp, sct }: EvidenceMinima): string {
  const parts = [
    log === 0 ? "" : counted(log, "log entry", "log entries"),
    timestamp === 0 ? "" : counted(timestamp, "timestamp", "timestamps"),
    logOrTimestamp <= log + timestamp ? "" : `${counted(logOrTimestamp, "log entry", "log entries")} or timestamp`,
    sct === 0 ? "" : counted(sct, "SCT", "SCTs"),
  ];
  return parts.filter((part) => part !== "").join(", ") || "nothing";
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Everything about one root, as text. */
export function formatRoot(output: Output, root: PrintedRoot): string {
  const { mirror, issued, expires, stale } = root;
  const rows = [
    ["source", mirror === undefined ? root.source : `${root.source} ${mirror}`],
    ["revision", root.revision],
    ...(issued === undefined ? [] : [[root.source === "tuf" ? "fetched" : "issued", issued]]),
    ...(expires === undefined ? [] : [["expires", expires]]),
    [
      "requires",
      `${aboutMinima(root.require)}${root.relaxed.length === 0 ? "" : `; relaxed: ${root.relaxed.join(", ")}`}`,
    ],
  ];
  const head = rows.map(([name = "", text = ""]) => `  ${name.padEnd(9)}${plain(text)}\n`).join("");
  const table = formatTable(
    ["WHAT", "WHERE", "KEY", "FROM", "UNTIL"],
    [
      ...root.certificateAuthorities.map((each) => authorityRow("certificates", each)),
      ...root.logs.map((each) => logRow("log", each)),
      ...root.certificateLogs.map((each) => logRow("certificate log", each)),
      ...root.timestampAuthorities.map((each) => authorityRow("timestamps", each)),
      ...root.skipped.map(({ at, reason }) => ["not used", at, reason, "", ""]),
    ],
  );
  const warning = stale === undefined ? "" : `\n${formatFinding(output, stale)}`;
  return `${paint(output, "bold", plain(root.name))}\n${head}${table === "" ? "" : `\n${table}`}${warning}`;
}

function authorityRow(what: string, { uri, fingerprints, validFor }: PrintedAuthority): string[] {
  return [what, uri, `${fingerprints.at(-1)?.slice(0, 16)}…`, dayOf(validFor.start), dayOf(validFor.end)];
}

function logRow(what: string, { url, logId, validFor }: PrintedLog): string[] {
  return [what, url, `${logId.slice(0, 16)}…`, dayOf(validFor.start), dayOf(validFor.end)];
}

function dayOf(time: string | undefined): string {
  return time?.slice(0, 10) ?? "";
}
