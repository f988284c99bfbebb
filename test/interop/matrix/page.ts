import {
  type Cell,
  groupBy,
  type KeyName,
  type Kind,
  keyNames,
  kinds,
  type Shape,
  shapeNames,
  shapes,
  tools,
} from "./cells.ts";
import type { Measured } from "./readers.ts";
import { notWritten, refusalOf, remarks, rules } from "./rules.ts";

const note =
  "<!-- Made from what `TRUST_WRITE_DOCS=1 npm run test:interop -- test/interop/matrix.test.ts` measures; the test compares it. -->";

/** What stands in a cell: accepted, the number of a documented refusal, or what no rule explains. */
function markOf(cell: Measured): string {
  if (cell.accepted) return "yes";
  const rule = refusalOf(cell);
  return rule === undefined ? "**no**" : `no ${Object.keys(rules).indexOf(rule) + 1}`;
}

const columns = ["written by", "keys", ...tools];

function rowsOf(cells: readonly Measured[]): readonly string[] {
  const byWriter = groupBy(cells, ({ writer }) => writer);
  return [...byWriter].flatMap(([writer, written]) => {
    const byKey = groupBy(written, ({ key }) => key);
    const marks = (key: string) =>
      tools.map((tool) => {
        const cell = byKey.get(key)?.find(({ reader }) => reader === tool);
        return cell === undefined ? "?" : markOf(cell);
      });
    const alike = groupBy([...byKey.keys()].sort(byKeyOrder), (key) => marks(key).join(" | "));
    return [...alike].map(
      ([text, keys]) => `| ${writer} | ${keys.length === keyNames.length ? "all" : keys.join(", ")} | ${text} |`,
    );
  });
}

const byKeyOrder = (a: string, b: string) => keyNames.indexOf(a as KeyName) - keyNames.indexOf(b as KeyName);

function sectionOf(kind: Kind, shape: Shape, measured: readonly Measured[]): string {
  const cells = measured.filter((cell) => cell.kind === kind && cell.shape === shape);
  const rows = rowsOf([...cells].sort((a, b) => tools.indexOf(a.writer) - tools.indexOf(b.writer)));
  const missing = groupBy(
    tools.flatMap((writer) => {
      const reason = notWritten(writer, kind, shape);
      return reason === undefined ? [] : [{ writer, reason }];
    }),
    ({ reason }) => reason,
  );
  const absent = [...missing].map(
    ([reason, all]) => `- Not written by ${all.map(({ writer }) => writer).join(", ")}: ${reason}.`,
  );
  const table = [`| ${columns.join(" | ")} |`, `|${columns.map(() => "---").join("|")}|`, ...rows].join("\n");
  return [`### ${shapes[shape]}`, ...(rows.length > 0 ? [table] : []), absent.join("\n")].filter(Boolean).join("\n\n");
}

const titles: Readonly<Record<Kind, string>> = { signature: "Signatures", attestation: "Attestations" };

/** `docs/interop.md`, from what was measured. */
export function interopPage(measured: readonly Measured[]): string {
  const sections = kinds.map(
    (kind) => `## ${titles[kind]}\n\n${shapeNames.map((shape) => sectionOf(kind, shape, measured)).join("\n\n")}`,
  );
  const legend = Object.values(rules).map(
    ({ reason, standing, sources }, i) =>
      `${i + 1}. ${reason}. \`${standing}\`: ${sources.map((url) => `<${url}>`).join(", ")}`,
  );
  return `${note}

# Who reads what whom wrote

Every artifact of these tables is written by the real tool and read by the real tool, in registries with and without the referrers API;
\`npm run test:interop\` fails when one cell differs. Each writer signs with each kind of key; readers are given the public key. Every
accepting reader also refuses the same artifact under another key.

What \`trust\` writes is accepted by every reader that looks at the place where it stands, by every key; \`trust\` accepts everything.

${sections.join("\n\n")}

## Refusals

A number in a table is one of these reasons. \`documented\`: the reader's manual says so. \`reported\`: a report to the reader's project
says so, and a later version may do better.

${legend.join("\n")}

## How the readers are asked

${remarks.map((remark) => `- ${remark}`).join("\n")}
`;
}

/** A cell as a line of a test's report. */
export const describeCell = ({ kind, shape, writer, key, reader }: Cell): string =>
  `${kind}, ${shape}, by ${writer}, ${key}, read by ${reader}`;
