import type { CompletionNode, Values } from "./nodes.ts";

/** A completion script for bash. */
export function bashScript(nodes: readonly CompletionNode[]): string {
  return `# bash completion for trust; load it with: source <(trust completion bash)
_trust() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' word i
  # bash takes --flag=value apart
  if [[ $cur == = ]]; then cur=''
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $i == 1 && $word == help ]] && continue
    case "\${path:+$path }$word" in
      ${paths(nodes)}) path="\${path:+$path }$word" ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$path $prev" in
${nodes.flatMap(valueCases).join("\n")}
  esac
  case "$path" in
${nodes.map(nodeCase).join("\n")}
  esac
}
complete -o filenames -F _trust trust imagetrust
`;
}

function paths(nodes: readonly CompletionNode[]): string {
  return nodes
    .filter(({ path }) => path !== "")
    .map(({ path }) => `"${path}"`)
    .join(" | ");
}

function valueCases({ path, options }: CompletionNode): readonly string[] {
  return options.flatMap(({ long, short, values }) => {
    if (values === undefined) return [];
    const flags = [`--${long}`, ...(short === undefined ? [] : [`-${short}`])];
    return [`    ${flags.map((flag) => `"${path} ${flag}"`).join(" | ")}) ${offer(values)} return ;;`];
  });
}

function nodeCase({ path, words, options, values }: CompletionNode): string {
  const flags = [...options.map(({ long }) => `--${long}`), "--help"].join(" ");
  const rest = words.size > 0 ? offer([...words.keys()]) : offer(values);
  return `    "${path}") if [[ $cur == -* ]]; then ${offer(flags.split(" "))} else ${rest || ":;"} fi ;;`;
}

function offer(values: Values): string {
  if (values === "files") return 'COMPREPLY=($(compgen -f -- "$cur"));';
  if (values === "policies") return 'COMPREPLY=($(compgen -f -- "$cur") $(compgen -W cluster -- "$cur"));';
  if (values === "folders") return 'COMPREPLY=($(compgen -d -- "$cur"));';
  if (values === "anything" || values.length === 0) return "";
  return `COMPREPLY=($(compgen -W "${values.join(" ")}" -- "$cur"));`;
}
