import { z } from "zod";
import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { parseSource, type SourceDocument } from "../policy/document.ts";
import { formatProblem, type Problem } from "../policy/problem.ts";
import { parseDuration } from "../policy/settings.ts";
import { type RightsRule, rights } from "./access.ts";
import { actions } from "./events.ts";
import { defaultLimits, type RegistryLimits } from "./limits.ts";
import type { NotificationEndpoint } from "./notifications.ts";

/** The settings of a registry's configuration file. */
export interface RegistryConfig {
  /** Missing where the file says nothing about rights. */
  readonly rights?: readonly RightsRule[];
  readonly endpoints: readonly NotificationEndpoint[];
  readonly limits: RegistryLimits;
}

const unitBytes: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

const duration = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    context.addIssue({ code: "custom", message: `${error.message}; expected ${error.expected}` });
    return z.NEVER;
  }
});

const bytes = z.union([z.number(), z.string()]).transform((value, context) => {
  const [, count, unit = ""] = /^(\d{1,15}) ?(KiB|MiB|GiB|TiB)?$/.exec(String(value)) ?? [];
  const size = Number(count) * (unitBytes[unit] ?? 1);
  if (count !== undefined && Number.isSafeInteger(size) && size > 0) return size;
  context.addIssue({ code: "custom", message: "not a size; expected a whole number with a unit: 512MiB, 20GiB" });
  return z.NEVER;
});

const glob = z.string().refine((text) => /^(?:[a-z0-9._/-]|\*{1,2}(?!\*))+$/.test(text), {
  message: "not a glob over repositories; expected lower-case letters, digits, . _ - / and * or **, without the host",
});

const rule = z
  .strictObject({
    repositories: z.array(glob).min(1),
    users: z.array(z.string().min(1)).min(1),
    allow: z.array(z.enum(rights)).min(1),
  })
  .superRefine((value, context) => {
    const beyond = value.allow.findIndex((right) => right !== "pull");
    if (value.users.includes("anonymous") && beyond >= 0)
      context.addIssue({
        code: "custom",
        path: ["allow", beyond],
        message: "anonymous may at most pull; expected a rule of its own for users",
      });
  });

const headerValue = z.string().regex(/^[\x20-\x7e]*$/, "not the value of a header; expected one line of ASCII");

const endpoint = z.strictObject({
  name: z.string().min(1),
  disabled: z.boolean().default(false),
  url: z
    .url({ protocol: /^https?$/, error: "not an http or https URL" })
    .refine((url) => !/^[^/]*\/\/[^/]*@/.test(url), {
      message: "a credential in the URL; expected it in headers",
    }),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/), z.union([headerValue, z.array(headerValue)])).default({}),
  timeout: duration.default(5000),
  threshold: z.int().min(1).max(1000).default(5),
  backoff: duration.default(10_000),
  ignore: z
    .strictObject({ actions: z.array(z.enum(actions)).default([]), mediatypes: z.array(z.string()).default([]) })
    .default({ actions: [], mediatypes: [] }),
});

const schema = z.strictObject({
  rights: z.array(rule).optional(),
  notifications: z.strictObject({ endpoints: z.array(endpoint) }).optional(),
  limits: z.strictObject({ blob: bytes.optional(), uploads: duration.optional() }).optional(),
});

/** Loads a configuration file. Throws `CONFIG_INVALID` with every problem as `file:line:column: what; expected …`. */
export async function loadConfig(file: string): Promise<RegistryConfig> {
  return parseConfig((await readSmallFile(file, "the configuration")).toString(), file);
}

/** Parses the YAML of a configuration; `file` names it in errors. */
export function parseConfig(text: string, file: string): RegistryConfig {
  const { documents, problems } = parseSource(text, file);
  if (problems.length > 0) throw invalid(problems);
  const [document, another] = documents;
  if (another !== undefined) throw invalid([{ place: another.placeOf([]), what: "a second document in the file" }]);
  if (document === undefined) return toConfig({});
  const parsed = schema.safeParse(document.value);
  if (!parsed.success) throw invalid(parsed.error.issues.flatMap((issue) => describe(issue, document)));
  return toConfig(parsed.data);
}

function toConfig({ rights: rules, notifications, limits }: z.output<typeof schema>): RegistryConfig {
  const enabled = (notifications?.endpoints ?? []).filter(({ disabled }) => !disabled);
  return {
    ...(rules === undefined ? {} : { rights: rules }),
    endpoints: enabled.map(({ name, url, headers, timeout, threshold, backoff, ignore }) => ({
      name,
      url,
      headers: Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, [value].flat()])),
      timeout,
      threshold,
      backoff,
      ignore: { actions: ignore.actions, mediaTypes: ignore.mediatypes },
    })),
    limits: {
      blobBytes: limits?.blob ?? defaultLimits.blobBytes,
      uploadAgeMs: limits?.uploads ?? defaultLimits.uploadAgeMs,
    },
  };
}

function describe(issue: z.core.$ZodIssue, document: SourceDocument): Problem[] {
  if (issue.code !== "unrecognized_keys") return [{ place: document.placeOf(issue.path), what: issue.message }];
  return issue.keys.map((key) => ({
    place: document.placeOfKey([...issue.path, key]),
    what: `the field ${JSON.stringify(key.slice(0, 60))} is not known here`,
  }));
}

function invalid(problems: readonly Problem[]): TrustError {
  return new TrustError("CONFIG_INVALID", problems.slice(0, 20).map(formatProblem).join("\n"));
}
