import type { CompletedOption, CompletionNode, Values } from "./nodes.ts";

/** A completion script for zsh, built on `_arguments` and `_describe`. */
export function zshScript(nodes: readonly CompletionNode[]): string {
  return `#compdef trust imagetrust
# zsh completion for trust; load it with: source <(trust completion zsh)
_trust() {
  local word found=''
  integer taken=1
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $taken == 1 && $word == help ]] && { taken=2; continue }
    case "\${found:+$found }$word" in
      (${paths(nodes)}) found="\${found:+$found }$word"; (( taken++ )) ;;
      (*) break ;;
    esac
  done
  words=("$found" "\${(@)words[taken+1,-1]}")
  (( CURRENT -= taken - 1 ))
  case "$found" in
${nodes.map(nodeCase).join("\n")}
  esac
}
if [[ $funcstack[1] == _trust ]]; then _trust "$@"; else compdef _trust trust imagetrust; fi
`;
}

function paths(nodes: readonly CompletionNode[]): string {
  return nodes
    .filter(({ path }) => path !== "")
    .map(({ path }) => quote(path))
    .join("|");
}

function nodeCase({ path, words, options, values }: CompletionNode): string {
  if (words.size > 0) {
    const items = [...words].map(([word, summary]) => quote(`${word}:${summary}`)).join(" ");
    return `    (${quote(path)}) local -a items=(${items}); _describe command items ;;`;
  }
  const specs = [...options.flatMap(optionSpecs), "--help[say what the command takes]", `*:${argument(values)}`];
  return `    (${quote(path)}) _arguments -s ${specs.map(quote).join(" ")} ;;`;
}

function optionSpecs({ long, short, summary, values, many }: CompletedOption): readonly string[] {
  const again = many ? "*" : "";
  const text = summary.replace(/[[\]:\\]/g, "\\$&");
  const value = values === undefined ? "" : `:${argument(values)}`;
  const flags = values === undefined ? [`--${long}`] : [`--${long}=`];
  const shorts = short === undefined ? [] : [`-${short}${values === undefined ? "" : "+"}`];
  return [...flags, ...shorts].map((flag) => `${again}${flag}[${text}]${value}`);
}

function argument(values: Values): string {
  if (values === "files") return "file:_files";
  if (values === "policies") return 'policies:_alternative "files:file:_files" "clusters:cluster:(cluster)"';
  if (values === "folders") return "folder:_files -/";
  return values === "anything" || values.length === 0 ? "value: " : `value:(${values.join(" ")})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
