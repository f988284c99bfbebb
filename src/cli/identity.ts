import { promises } from "node:fs";
import { TrustError } from "../errors.ts";
import { ambientSources, ambientToken } from "../keys/ambient-token.ts";
import { type IdentityToken, readIdentityToken } from "../keys/identity-token.ts";
import type { InteractiveFlow } from "../keys/oidc.ts";
import type { ServiceClient } from "../oci/service.ts";
import type { CommandContext, OptionValues } from "./command.ts";
import { readInput } from "./input.ts";
import { plain } from "./print.ts";
import type { identityOptions } from "./signing-options.ts";

type IdentityFlags = OptionValues<typeof identityOptions>;

interface Reach {
  readonly client: ServiceClient;
  /** The identity provider that a person signs in at; undefined where none is known. */
  readonly provider: string | undefined;
}

const maxToken = 64 * 1024;
/** A token that is held is used as long as it lives for this time. */
const leastLife = 30_000;

/**
 * Where identity tokens come from, one after the other as long as one is found: the flag; the CI system or cloud around;
 * a person on a terminal. A token that lives is given again. Throws `IDENTITY_TOKEN_NOT_FOUND`, which says what was looked
 * for, and `IDENTITY_TOKEN_INVALID`.
 */
export function identitySource(
  context: CommandContext,
  flags: IdentityFlags,
  reach: Reach,
): () => Promise<IdentityToken> {
  const { io } = context;
  let held: IdentityToken | undefined;
  return async () => {
    if (held !== undefined && held.expires - io.now() > leastLife) return held;
    // Of a file that is given there is no newer one.
    if (held !== undefined && flags["identity-token"] !== undefined) return readIdentityToken(held.text, io.now());
    held = readIdentityToken(await findToken(context, flags, reach), io.now());
    return held;
  };
}

async function findToken(context: CommandContext, flags: IdentityFlags, reach: Reach): Promise<string> {
  const given = flags["identity-token"];
  if (given !== undefined) return readGiven(context, given);
  const { io } = context;
  const ambient = await ambientToken({ env: io.env, client: reach.client, readFile: readIfThere, signal: io.signal });
  if (ambient !== undefined) return ambient;
  const flow = flowOf(context, flags);
  if (flow === undefined) throw nobody(context);
  return signIn(context, flags, reach, flow);
}

async function readGiven(context: CommandContext, path: string): Promise<string> {
  // Never repeated: it is a secret already told to every process on the machine.
  if (/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(path))
    throw new TrustError("USAGE", "an identity token was given where its file is wanted; others can read it there", {
      expected: "--identity-token FILE, or - for standard input",
    });
  return (await readInput(context, path, "the identity token", maxToken)).toString("latin1");
}

async function readIfThere(path: string): Promise<string | undefined> {
  return promises.readFile(path, "latin1").catch(() => undefined);
}

/** How a person can sign in; undefined where nobody can be asked, or is to be. */
function flowOf({ io }: CommandContext, flags: IdentityFlags): InteractiveFlow | undefined {
  const wanted = flags["oidc-flow"];
  if (wanted === "token" || wanted === "device") return wanted === "device" ? wanted : undefined;
  if (io.prompt === undefined || io.env["CI"]) return undefined;
  return wanted === "browser" || io.openBrowser !== undefined ? "browser" : "device";
}

async function signIn(
  { io }: CommandContext,
  flags: IdentityFlags,
  { client, provider }: Reach,
  flow: InteractiveFlow,
): Promise<string> {
  if (provider === undefined)
    throw new TrustError("SIGNING_CONFIG_INVALID", "the signing configuration names no identity provider", {
      expected: "oidcUrls, --oidc-issuer URL, or --identity-token FILE",
    });
  if (URL.parse(provider) === null)
    throw new TrustError("USAGE", "--oidc-issuer is not an address", { expected: "https://HOST[/PATH]" });
  const { signInteractively } = await import("../keys/oidc.ts");
  return signInteractively(flow, {
    issuer: provider,
    clientId: flags["oidc-client-id"],
    client,
    tell: (text) => io.stderr.write(`${text.split("\n").map(plain).join("\n")}\n`),
    openBrowser: async (url) => (await io.openBrowser?.(url)) ?? false,
    signal: io.signal,
  });
}

const gitlabHint =
  "Give the job a token in .gitlab-ci.yml, id_tokens: { SIGSTORE_ID_TOKEN: { aud: sigstore } }, or sign with --key KEY";

function nobody({ io }: CommandContext): TrustError {
  const asked = io.prompt === undefined ? "a terminal to sign in on" : "a person who signs in (not in CI)";
  return new TrustError("IDENTITY_TOKEN_NOT_FOUND", "there is neither a key nor an identity to sign with", {
    expected: [...ambientSources, asked].join("; "),
    found: "none of them",
    ...(io.env["GITLAB_CI"] === "true" && { hint: gitlabHint }),
  });
}
