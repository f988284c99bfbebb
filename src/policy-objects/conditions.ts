import type { ClusterObject } from "../cluster/cluster.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import type { ObjectState } from "../policy/objects.ts";

/** What a policy object is told of itself: its condition `Ready`. */
export interface ReadyCondition {
  readonly status: "True" | "False";
  /** One word. */
  readonly reason: "InForce" | "Unusable" | "Expired";
  /** For people; at most {@link maxMessage} characters. */
  readonly message: string;
}

const maxMessage = 1024;

/** The condition of an object of that state at a time, in milliseconds since 1970. */
export function readyCondition({ usable, problems, warnings, until }: ObjectState, now: number): ReadyCondition {
  if (!usable) return { status: "False", reason: "Unusable", message: bounded(problems, "the object cannot be used") };
  if (until !== undefined && until <= now)
    return {
      status: "False",
      reason: "Expired",
      message: `over since ${toSeconds(until)}: it lets nothing pass any more`,
    };
  const message = bounded([...problems, ...warnings], "in force as it is written");
  return { status: "True", reason: "InForce", message };
}

/** Whole lines as far as they fit, and how many more there are. */
function bounded(lines: readonly string[], otherwise: string): string {
  if (lines.length === 0) return otherwise;
  const room = maxMessage - "\nand 0000 more".length;
  const told: string[] = [];
  let length = 0;
  for (const line of lines) {
    // A character cut in half is no text that a server takes.
    const text = line.replace(/\s+/g, " ").slice(0, room).toWellFormed();
    length += text.length + 1;
    if (length > room + 1) break;
    told.push(text);
  }
  const rest = lines.length - told.length;
  return [...told, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}

/** The status that says so, whatever conditions of others it has; undefined where the object says so already, or knows better. */
export function statusToWrite(object: ClusterObject, ready: ReadyCondition, now: number): JsonObject | undefined {
  const status = isJsonObject(object["status"]) ? object["status"] : {};
  const { generation } = object.metadata;
  const conditions = Array.isArray(status["conditions"]) ? status["conditions"].filter(isJsonObject) : [];
  const before = conditions.find(({ type }) => type === "Ready");
  const observed = status["observedGeneration"];
  // What another replica says of a newer generation than the one seen here is not to be unsaid.
  if (typeof observed === "number" && generation !== undefined && observed > generation) return undefined;
  const isSaid =
    before !== undefined &&
    before["status"] === ready.status &&
    before["reason"] === ready.reason &&
    before["message"] === ready.message &&
    // Kinds of others may have no place for it in a condition.
    (before["observedGeneration"] ?? generation) === generation &&
    observed === generation;
  if (isSaid) return undefined;
  const since = before?.["status"] === ready.status ? before["lastTransitionTime"] : undefined;
  const condition = {
    type: "Ready",
    ...ready,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    lastTransitionTime: typeof since === "string" ? since : toSeconds(now),
  };
  const others = conditions.filter(({ type }) => type !== "Ready");
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: [...others, condition],
  };
}

/** As Kubernetes writes moments. */
function toSeconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** Whether somebody else writes the status of an object: it says what is never said here. */
export function isManagedByOthers(object: ClusterObject): boolean {
  const { conditions = [], observedGeneration: _, ...others } = isJsonObject(object["status"]) ? object["status"] : {};
  if (Object.keys(others).length > 0 || !Array.isArray(conditions)) return true;
  return !conditions.every((each) => isJsonObject(each) && each["type"] === "Ready" && ownReasons.has(each["reason"]));
}

const ownReasons: ReadonlySet<unknown> = new Set<ReadyCondition["reason"]>(["InForce", "Unusable", "Expired"]);
