import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { asTrustError, type Finding, TrustError, toFinding } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { mapLimit } from "../oci/parallel.ts";
import { parseRepository } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { PolicySources } from "../policy/authority-rules.ts";
import { loadPolicies } from "../policy/load.ts";
import type { PolicySet } from "../policy/policy.ts";
import { defaultSettings } from "../policy/settings.ts";
import type { Verdict } from "../policy/verdict.ts";
import { createVerifier } from "../verify.ts";
import { maxEvidenceFileBytes, parseEvidence } from "./evidence-file.ts";
import { mismatches, notJudged } from "./expectation.ts";
import { objectContextOf } from "./object.ts";
import { mergeRecordings, type Recording } from "./recording.ts";
import { replay } from "./replay.ts";
import type { PolicyTestFile } from "./test-file.ts";
import type { TestCase } from "./test-schema.ts";

/** What a case came to. It failed where something is unlike what it expects, or could not be judged. */
export interface CaseResult {
  readonly file: string;
  /** `file:line:column`. */
  readonly place: string;
  readonly name: string;
  readonly image: string;
  readonly expected: TestCase["expect"];
  readonly passed: boolean;
  /** What is unlike, in words. */
  readonly problems: readonly string[];
  /** Why it could not be judged: the evidence lacks something, or the program failed. Then its verdict is none. */
  readonly error?: Finding;
  readonly verdict: Verdict;
}

/** The results of a file, or why none of its cases could be judged. */
export interface TestResult {
  readonly file: string;
  readonly results: readonly CaseResult[];
  readonly error?: TrustError;
}

const casesAtOnce = 32;

/**
 * Runs the cases of all files on their evidence: no network, no clock. Policies and evidence that several files name are
 * read once. A file whose policies or evidence cannot be used has an error and no results; nothing is thrown.
 */
export async function runPolicyTests(
  files: readonly PolicyTestFile[],
  openRoot?: PolicySources["openRoot"],
): Promise<readonly TestResult[]> {
  const policies = remember((key) => {
    const { folder, paths } = JSON.parse(key) as { readonly folder: string; readonly paths: readonly string[] };
    return loadPolicies(paths, folder, openRoot);
  });
  const evidence = remember(readEvidence);
  const read = async ({ folder, test }: PolicyTestFile): Promise<Loaded> => {
    const names = await Promise.all((test.evidence ?? []).map((name) => evidenceFiles(resolve(folder, name))));
    const recordings = await Promise.all(names.flat().map(evidence));
    const set = await policies(JSON.stringify({ folder, paths: test.policies }));
    return { policies: withoutMirrors(set), registry: replay(mergeRecordings(recordings)) };
  };
  return mapLimit(files, 1, async (file) => {
    try {
      const loaded = await read(file);
      const results = await mapLimit(file.test.cases, casesAtOnce, (one, index) => runCase(file, loaded, one, index));
      return { file: file.name, results };
    } catch (error) {
      return { file: file.name, results: [], error: inFile(file, asTrustError(error)) };
    }
  });
}

interface Loaded {
  readonly policies: PolicySet;
  readonly registry: Registry;
}

/** Each case has a verifier of its own: what one has seen must not decide another. */
async function runCase(file: PolicyTestFile, loaded: Loaded, one: TestCase, index: number): Promise<CaseResult> {
  const { test } = file;
  const now = Date.parse(one.now ?? test.now);
  const { signatureRepository, noMatch } = test;
  const verifier = createVerifier({
    registry: loaded.registry,
    policies: () => loaded.policies,
    settings: { ...defaultSettings, noMatch },
    signatureRepository: signatureRepository === undefined ? undefined : parseRepository(signatureRepository),
    now: () => now,
  });
  const { image, object, namespace, namespaceLabels } = one;
  const verdict = await verifier.verify({ image, object: objectContextOf(object, { namespace, namespaceLabels }) });
  const error = notJudged(verdict);
  const problems = error === undefined ? mismatches(one.expect, verdict) : [];
  const about = { file: file.name, place: file.placeOf(index), name: one.name, image };
  const passed = error === undefined && problems.length === 0;
  return { ...about, expected: one.expect, passed, problems, ...(error === undefined ? {} : { error }), verdict };
}

/** Evidence stands under the names that policies speak of, wherever it was read. */
function withoutMirrors(set: PolicySet): PolicySet {
  return { ...set, policies: set.policies.map(({ mirrors: _, ...policy }) => policy) };
}

async function evidenceFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new TrustError("FILE_NOT_FOUND", `there is no evidence ${path}`, {
      hint: `Record it with: trust policy record IMAGE --file ${path.slice(path.lastIndexOf("/") + 1)}`,
      cause,
    });
  });
  if (!found.isDirectory()) return [path];
  const entries = (await readdir(path)).filter((entry) => entry.endsWith(".evidence.json")).sort();
  return entries.map((entry) => join(path, entry));
}

/** A file that `trust policy record` wrote. Throws `CONFIG_INVALID`, and the errors of files. */
export async function readEvidence(path: string): Promise<Recording> {
  return parseEvidence(await readSmallFile(path, "the evidence", maxEvidenceFileBytes), path);
}

function remember<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (key) => {
    const reading = known.get(key) ?? read(key);
    known.set(key, reading);
    return reading;
  };
}

function inFile({ name }: PolicyTestFile, error: TrustError): TrustError {
  const { code, expected, found, hint } = error;
  return new TrustError(code, `${name}: ${error.message}`, { expected, found, hint, cause: error });
}

/** The finding of a file's error, for reports. */
export function findingOfFile({ error }: TestResult): Finding | undefined {
  return error === undefined ? undefined : toFinding(error);
}
