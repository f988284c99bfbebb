import { errorLine, fullText, oneLine } from "../policy/verdict-text.ts";
import type { CaseResult } from "./run-tests.ts";

/** A failing case in full: where it stands, what it expected, what it got, and why. Text that cannot steer a terminal. */
export function failureText({ place, name, image, problems, error, verdict }: CaseResult): string {
  const head = `${oneLine(place, 300)}: ${oneLine(name, 300)}\n`;
  if (error !== undefined)
    return `${head}  ${errorLine(error.code === "EVIDENCE_NOT_RECORDED" ? { ...error, hint: recordHint(image) } : error)}\n`;
  const unlike = problems.map((problem) => `  ${oneLine(problem, 500)}\n`);
  return `${head}${unlike.join("")}${fullText(verdict).replace(/^(?=.)/gm, "    ")}`;
}

/** The command that fills the gap. */
export function recordHint(image: string): string {
  const name = /^[\w.:/@-]{1,300}$/.test(image) ? image : "IMAGE";
  return `Record it with: trust policy record ${name} --file FILE, and name the file in evidence`;
}
