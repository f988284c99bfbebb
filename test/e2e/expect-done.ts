import type { RunResult } from "../support/process.ts";

/** The result of a command that has to succeed; throws what it said where it does not. */
export async function expectDone(result: Promise<RunResult>): Promise<RunResult> {
  const { code, stdout, stderr } = await result;
  if (code !== 0) throw new Error(`exit code ${code}: ${stdout}${stderr}`);
  return { code, stdout, stderr };
}
