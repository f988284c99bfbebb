import type { CompletedOption, CompletionNode, Values } from "./nodes.ts";

/** A completion script for fish. */
export function fishScript(nodes: readonly CompletionNode[]): string {
  const known = nodes.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  return `# fish completion for trust; load it with: trust completion fish | source
function __trust_path
  set -l found ''
  set -l words (commandline -opc)
  for word in $words[2..]
    test "$found" = '' -a "$word" = help; and continue
    set -l longer (string trim -- "$found $word")
    contains -- "$longer" ${known.join(" ")}; or break
    set found $longer
  end
  echo -- $found
end
function __trust_at
  test (__trust_path) = "$argv"
end
complete -c trust -f
complete -c imagetrust -w trust
${nodes.flatMap(nodeLines).join("\n")}
`;
}

function nodeLines({ path, words, options, values }: CompletionNode): readonly string[] {
  const start = `complete -c trust -n ${quote(`__trust_at ${quote(path)}`)}`;
  const further = [...words].map(([word, summary]) => `${start} -a ${quote(word)} -d ${quote(summary)}`);
  const flags = options.map((option) => `${start} ${optionFlags(option)}`);
  const rest = words.size > 0 || values === "anything" || values.length === 0 ? [] : [`${start} ${offer(values)}`];
  return [...further, ...flags, ...rest];
}

function optionFlags({ long, short, summary, values }: CompletedOption): string {
  const flags = `-l ${long}${short === undefined ? "" : ` -s ${short}`} -d ${quote(summary)}`;
  return values === undefined ? flags : `${flags} ${offer(values)}`;
}

function offer(values: Values): string {
  if (values === "files") return "-r -F";
  if (values === "policies") return "-r -F -a cluster";
  if (values === "folders") return "-x -a '(__fish_complete_directories)'";
  return values === "anything" || values.length === 0 ? "-x" : `-x -a ${quote(values.join(" "))}`;
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
