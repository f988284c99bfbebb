import { exitCodes } from "../../errors.ts";
import type { ObjectState } from "../../policy/objects.ts";
import type { PolicyCheck } from "../../policy-tools/check.ts";
import type { Lint } from "../../policy-tools/remark.ts";
import { clusterOptions } from "../cluster.ts";
import { defineCommand } from "../command.ts";
import type { Output } from "../io.ts";
import { effectOf, isCluster, lazyCluster, loadFiles, policyPaths, readCluster } from "../policy-paths.ts";
import { paint, plain } from "../print.ts";
import { createResults } from "../results.ts";

/** One line of the result: why policies do not load, or what a lint says. */
interface CheckLine {
  readonly level: "error" | Lint["level"];
  readonly code: string;
  readonly place: string;
  readonly message: string;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  readonly advice?: string | undefined;
  readonly policy?: string;
}

export const command = defineCommand({
  name: "policy check",
  summary: "find what is wrong with policies, and what they will never do",
  description:
    "Loads policies as trust verify and the webhook do, together, and tells every problem at once with its place. Of " +
    "policies that load it says what is most likely not meant: images that are excluded again, rules that can never match, " +
    "authorities that decide nothing, keys and exceptions whose time is over, expressions that match everybody. Of the cluster " +
    "it says which objects cannot be used as they are stored, and why. Exit code 3 when the policies do not load, or an object " +
    "cannot be used; 0 with warnings, or with --strict 1.",
  examples: [
    { about: "Before a change is merged", command: "trust policy check --strict policies/" },
    { about: "What the cluster has", command: "trust policy check cluster" },
    { about: "For a script", command: "trust policy check policies/ --output json" },
  ],
  arguments: { path: { summary: policyPaths, many: true, completes: "policies" } },
  options: { strict: { summary: "fail on warnings, with exit code 1" }, ...clusterOptions },
  async run(context, { path: paths }, { strict, ...flags }) {
    const { io, output } = context;
    const { checkPolicies } = await import("../../policy-tools/check.ts");
    const cluster = lazyCluster(context, flags);
    const composed = paths.some(isCluster) ? await readCluster(context, cluster).finally(cluster.close) : undefined;
    const files = paths.filter((path) => !isCluster(path));
    const load = async () => {
      const { mergeSets } = await import("../../policy/policy-set.ts");
      const ofCluster = composed === undefined ? [] : [composed.set];
      return mergeSets(files.length === 0 ? ofCluster : [...ofCluster, await loadFiles(context, files)]);
    };
    const { placeOf } = await import("../../policy/objects.ts");
    const stored = (composed?.states ?? []).flatMap((state, index) => {
      const value = composed?.objects[index];
      return value === undefined ? [] : [{ ...state, value, place: placeOf(state.object) }];
    });
    const objects = new Map(stored.map(({ place, value }) => [place, value]));
    const check = await checkPolicies({ load, cwd: io.folder, objects, now: io.now() });
    const unusable = stored.filter(({ usable }) => !usable);
    const lines = [...unusable.flatMap(linesOfObject), ...linesOf(check)];
    const results = createResults<CheckLine>(context, (line) => formatLine(io.stdout, line));
    for (const [index, line] of lines.entries()) results.add(line, index);
    results.end();
    if (output === "table") io.stdout.write(summaryOf(check, unusable.length));
    if (check.problems.length > 0 || unusable.length > 0) return exitCodes.config;
    return strict && check.lints.some(({ level }) => level === "warning") ? exitCodes.untrusted : 0;
  },
});

/** Why an object of the cluster cannot be used, a line for each problem. */
function linesOfObject({ place, ...state }: ObjectState & { readonly place: string }): readonly CheckLine[] {
  return state.problems.map((problem): CheckLine => {
    return { level: "error", code: "POLICY_UNUSABLE", place, message: `${effectOf(state)}: ${problem}` };
  });
}

function linesOf({ problems, lints }: PolicyCheck): readonly CheckLine[] {
  const broken = problems.map(
    ({ place, what, expected, found }): CheckLine => ({
      level: "error",
      code: "POLICY_INVALID",
      place,
      message: what,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    }),
  );
  return [...broken, ...lints];
}

const styles = { error: "red", warning: "yellow", note: "cyan" } as const;

function formatLine(output: Output, { level, code, place, message, expected, found, advice }: CheckLine): string {
  const head = `${plain(place)}: ${paint(output, styles[level], level)} ${code}: ${plain(message)}`;
  const details = Object.entries({ expected, found, write: advice }).flatMap(([name, text]) =>
    text === undefined ? [] : [`  ${name.padEnd(9)}${plain(text)}`],
  );
  return `${[head, ...details].join("\n")}\n`;
}

function summaryOf({ policies, exceptions, problems, lints }: PolicyCheck, unusable: number): string {
  const objects = unusable === 0 ? "" : `${counted(unusable, "object")} of the cluster cannot be used\n`;
  if (problems.length > 0)
    return `${objects}${counted(problems.length, "problem")}: none of the policies in files takes effect\n`;
  const warnings = lints.filter(({ level }) => level === "warning").length;
  const notes = lints.length - warnings;
  const what = [
    counted(policies, "policy", "policies"),
    ...(exceptions === 0 ? [] : [counted(exceptions, "exception")]),
  ];
  return `${objects}${what.join(" and ")}: ${counted(warnings, "warning")}, ${counted(notes, "note")}\n`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
