import { commandTable, groups } from "./table.ts";

/** What the words of a command line name: a command and what follows it, or a group of commands. */
export type Found =
  | { readonly kind: "command"; readonly name: string; readonly rest: readonly string[] }
  | { readonly kind: "group"; readonly name: string; readonly rest: readonly string[] };

const maxWords = Math.max(...Object.keys(commandTable).map((name) => name.split(" ").length));

/** Finds the longest name of a command, else of a group, at the start of the words; the group of all is "". */
export function findCommand(argv: readonly string[]): Found {
  const [globals, words] = splitLeadingFlags(argv);
  for (const [kind, table] of [["command", commandTable] as const, ["group", groups] as const]) {
    for (let count = maxWords; count > 0; count--) {
      const name = words.slice(0, count).join(" ");
      if (Object.hasOwn(table, name)) return { kind, name, rest: [...globals, ...words.slice(count)] };
    }
  }
  return { kind: "group", name: "", rest: words };
}

/** Flags of every command may stand before it, too. */
function splitLeadingFlags(argv: readonly string[]): readonly [readonly string[], readonly string[]] {
  let count = 0;
  for (;;) {
    const flag = argv[count] ?? "";
    if (/^(?:-[vq]+|--verbose|--quiet|--output=.*|-o.+)$/.test(flag)) count += 1;
    else if (/^(?:-o|--output)$/.test(flag)) count += 2;
    else return [argv.slice(0, count), argv.slice(count)];
  }
}

/** The next words after a group's name, with their summaries, in the order of the table. */
export function childrenOf(group: string): ReadonlyMap<string, string> {
  const children = new Map<string, string>();
  const prefix = group === "" ? "" : `${group} `;
  for (const [name, { summary }] of Object.entries(commandTable)) {
    if (!name.startsWith(prefix)) continue;
    const [word = ""] = name.slice(prefix.length).split(" ");
    const child = prefix + word;
    children.set(word, Object.hasOwn(commandTable, child) ? summary : (groups[child] ?? ""));
  }
  return children;
}
