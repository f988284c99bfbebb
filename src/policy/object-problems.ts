import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { parsePolicyDocument } from "./parse.ts";
import { problemText } from "./problem.ts";
import { anyRoot, anySecret } from "./stand-ins.ts";

/** The kinds of our own policy objects, as a cluster has them. */
export const policyKindNames: readonly string[] = ["ClusterTrustPolicy", "TrustPolicy", "TrustException", "TrustRoot"];

/** The kinds of policy objects that are read, by API group: our own, and policy-controller's. */
export const policyKindGroups: Readonly<Record<string, readonly string[]>> = {
  "imagetrust.dev": policyKindNames,
  "policy.sigstore.dev": ["ClusterImagePolicy", "TrustRoot"],
};

const maxObjectBytes = 2 * 1024 * 1024;
/** Of an object of a namespace, in characters of JSON: all of them together are kept. */
export const maxTenantObject = 256 * 1024;

/** What is to be said of a policy object before it is stored, one line each. */
export interface PolicyObjectCheck {
  /** What is wrong; none where it loads. */
  readonly problems: readonly string[];
  /** What takes effect otherwise than its author may think, where it loads. */
  readonly warnings: readonly string[];
}

/**
 * Checks a policy as an object of a cluster, our own or policy-controller's. Keys of a file are refused. What the server
 * writes into `metadata` and `status` is not looked at, nor whether another object, such as a trust root or a Secret, is
 * there: objects come in any order.
 */
export async function checkPolicyObject(object: JsonObject): Promise<PolicyObjectCheck> {
  const beyond = boundsProblem(object);
  if (beyond !== undefined) return { problems: [beyond], warnings: [] };
  const sources = { openRoot: async (name: string) => anyRoot(name), readSecret: anySecret() };
  const { problems, warnings = [] } = await parsePolicyDocument(writtenPart(object), sources);
  if (problems.length > 0) return { problems: problems.map(problemText), warnings: [] };
  return { problems: [], warnings: warnings.map(problemText) };
}

/** Why an object is too large, too deep or too costly to be looked into as a policy; nothing where it is not. Quick. */
export function boundsProblem(object: JsonObject): string | undefined {
  if (!isPlain(object)) return `the object has values that no policy has: more than ${maxValues}, or too deep ones`;
  const most = object["kind"] === "TrustPolicy" ? maxTenantObject : maxObjectBytes;
  if (JSON.stringify(writtenPart(object)).length > most) return `the object is larger than ${most} bytes`;
  const compiled = textToCompile(object);
  if (compiled <= maxCompiled) return undefined;
  return `the object has more than ${maxCompiled} characters of expressions and conditions`;
}

/** An object as its author wrote it: without what the server keeps in `metadata` and `status`. */
export function writtenPart(object: JsonObject): JsonObject {
  const { apiVersion, kind, metadata, status: _, ...rest } = object;
  return { apiVersion, kind, metadata: nameOf(metadata), ...rest };
}

/** Anybody who reaches the webhook may send objects: none must keep the others waiting. */
const maxValues = 40_000;
const maxDepth = 32;

function isPlain(object: unknown): boolean {
  let values = 0;
  const waiting = [{ value: object, depth: 0 }];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const { value, depth } = at;
    if (++values > maxValues || depth > maxDepth) return false;
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "__proto__")) return false;
    const inner: readonly unknown[] = Object.values(value);
    if (inner.length > maxValues) return false;
    waiting.push(...inner.map((one) => ({ value: one, depth: depth + 1 })));
  }
  return true;
}

/** Regular expressions and conditions are compiled while all others wait. */
const maxCompiled = 64 * 1024;

function textToCompile(object: unknown): number {
  let length = 0;
  const waiting: unknown[] = [object];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (typeof at !== "object" || at === null) continue;
    for (const [name, value] of Object.entries(at)) {
      const isRule = name === "data" && Reflect.get(at, "type") === "cue";
      if (typeof value === "string" && (isRule || /regexp?$|^condition$/i.test(name))) length += value.length;
      waiting.push(value);
    }
  }
  return length;
}

/** A name that the server has still to complete is taken as complete. */
function nameOf(metadata: unknown): unknown {
  if (!isJsonObject(metadata)) return metadata;
  const { name, namespace, generateName } = metadata;
  const whole = typeof generateName === "string" && (name === undefined || name === "") ? `${generateName}x` : name;
  return { name: whole, ...(namespace === undefined ? {} : { namespace }) };
}
