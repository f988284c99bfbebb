import { TrustError } from "../errors.ts";
import { parseReference, type RepositoryName } from "../oci/reference.ts";
import type { CommandContext } from "./command.ts";

/** The flag for signatures that are not kept beside their images. */
export const signatureRepositoryOption = {
  "signature-repository": {
    value: "REPOSITORY",
    summary: "repository that signatures are written to and also looked for in; default $COSIGN_REPOSITORY",
  },
} as const;

/** The same flag of the commands that only look there. */
export const signatureSource = {
  value: "REPOSITORY",
  summary: "repository that signatures are also looked for in; default $COSIGN_REPOSITORY",
} as const;

/** The repository for signatures that the flag or the environment names. Throws `USAGE` for anything but a repository. */
export function signatureRepositoryOf(
  { io }: Pick<CommandContext, "io">,
  flag: string | undefined,
): RepositoryName | undefined {
  const text = flag ?? io.env["COSIGN_REPOSITORY"];
  if (text === undefined || text === "") return undefined;
  const { registry, repository } = parseReference(text);
  if (!text.includes("@") && !/:[^/]*$/.test(text)) return { registry, repository };
  throw new TrustError("USAGE", "a repository for signatures has neither tag nor digest", {
    expected: "HOST[:PORT]/REPOSITORY",
    found: text.slice(0, 200),
  });
}
