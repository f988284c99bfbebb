import { asTrustError, type Finding, TrustError, toFinding } from "../../errors.ts";
import { openTrustRoot } from "../../trust/open.ts";
import { defineCommand } from "../command.ts";
import { formatTable, toJson } from "../print.ts";
import { aboutMinima, type PrintedRoot, toPrintedRoot } from "../print-root.ts";
import { rootNames, trustRootContext } from "../trust-roots.ts";

/** A root, or why it cannot be opened. */
type Row = PrintedRoot | { readonly name: string; readonly error: Finding };

export const command = defineCommand({
  name: "root list",
  summary: "list the trust roots there are",
  description:
    "Lists the trust roots that policies and --trusted-root may name: those that are known without being added, and the " +
    "user's own, with their source, their state and the evidence they ask for.",
  examples: [
    { about: "All of them", command: "trust root list" },
    { about: "For a script", command: "trust root list --output json" },
  ],
  arguments: {},
  options: {},
  async run(context) {
    const { io, output } = context;
    const roots = trustRootContext(context);
    const rows: Row[] = [];
    for (const name of await rootNames(roots.folder)) {
      try {
        rows.push(toPrintedRoot(await openTrustRoot(name, roots), io.now()));
      } catch (error) {
        rows.push({ name, error: toFinding(asTrustError(error)) });
      }
    }
    if (output === "json") io.stdout.write(`${toJson(rows, 2)}\n`);
    else if (output === "jsonl") for (const row of rows) io.stdout.write(`${toJson(row)}\n`);
    else io.stdout.write(formatTable(["NAME", "SOURCE", "STATE", "EXPIRES", "REQUIRES"], rows.map(toCells)));
    for (const row of rows)
      if ("error" in row && row.error.code === "TRUST_ROOT_NOT_FOUND") context.note(`${row.name}: ${row.error.hint}`);
    const broken = rows.find((row) => "error" in row && row.error.code !== "TRUST_ROOT_NOT_FOUND");
    if (broken !== undefined && "error" in broken)
      throw new TrustError(broken.error.code, broken.error.message, broken.error);
    return 0;
  },
});

function toCells(row: Row): string[] {
  if ("error" in row) {
    const isUnfetched = row.error.code === "TRUST_ROOT_NOT_FOUND";
    return [row.name, "tuf", isUnfetched ? "not fetched" : row.error.code, "", ""];
  }
  const { name, source, mirror, stale, expires, require } = row;
  const from = mirror === undefined ? source : `${source} ${mirror}`;
  return [name, from, stale === undefined ? "ok" : "stale", expires?.slice(0, 10) ?? "never", aboutMinima(require)];
}
