import { parseAllDocuments } from "yaml";
import { TrustError } from "../errors.ts";
import type { ObjectContext } from "../policy/policy.ts";
import { objectContextOf } from "../policy-tools/object.ts";
import { policyTest } from "../policy-tools/test-schema.ts";
import type { CommandContext } from "./command.ts";
import { readInput } from "./input.ts";

const objectSchema = policyTest.shape.cases.element.shape.object;
const maxObjectBytes = 4 * 1024 * 1024;

/** The object that `--object` and `--namespace` describe; nothing without them. Throws `CONFIG_INVALID`, and those of files. */
export async function objectOf(
  context: CommandContext,
  file: string | undefined,
  namespace: string | undefined,
): Promise<ObjectContext | undefined> {
  if (file === undefined) return objectContextOf(undefined, { namespace });
  const text = (await readInput(context, file, "the object", maxObjectBytes)).toString("utf8");
  const parsed = parseAllDocuments(text, { version: "1.1", stringKeys: true });
  const [document, ...others] = Array.isArray(parsed) ? parsed : [];
  const [problem] = document?.errors ?? [];
  const checked = problem === undefined ? objectSchema.safeParse(document?.toJS({ maxAliasCount: 100 })) : undefined;
  if (checked?.success === true && checked.data !== undefined && others.length === 0)
    return objectContextOf(checked.data, { namespace });
  const [issue] = checked?.error?.issues ?? [];
  throw new TrustError("CONFIG_INVALID", `${file} does not hold one Kubernetes object`, {
    expected: "one object in YAML or JSON, with apiVersion, kind and metadata",
    found: others.length > 0 ? `${others.length + 1} objects` : (issue?.path.join(".") ?? "something else"),
  });
}
