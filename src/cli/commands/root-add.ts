import { TrustError } from "../../errors.ts";
import { readSmallFile } from "../../keys/files.ts";
import { defaultTrustRoot } from "../../trust/embedded.ts";
import { withCode } from "../../trust/fields.ts";
import { maxRootBytes, toTrustRoot } from "../../trust/open.ts";
import type { StoredRoot } from "../../trust/stored-root.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { formatRoot, type PrintedRoot, toPrintedRoot } from "../print-root.ts";
import { createResults } from "../results.ts";
import { mirrorOptions, refuseTaken, storeRoot, trustRootContext, webSettings } from "../trust-roots.ts";

const minima = ["log", "timestamp", "sct"] as const;

interface Options {
  readonly file: string | undefined;
  readonly "tuf-root": string | undefined;
  readonly mirror: string | undefined;
  readonly target: string;
  readonly "ca-file": string | undefined;
  readonly require: readonly (typeof minima)[number][];
}

export const command = defineCommand({
  name: "root add",
  summary: "add a trust root under a name",
  description:
    "Adds a trust root of one's own: a trusted_root.json as it is, which does not expire, or a TUF repository, given by its root.json, " +
    "from which the trust root is fetched now and renewed by trust root update. Policies and --trusted-root then use it by " +
    "its name.",
  examples: [
    { about: "A private Sigstore, from a file", command: "trust root add acme --file trusted_root.json" },
    {
      about: "A private Sigstore with a TUF repository",
      command: "trust root add acme --tuf-root root.json --mirror https://tuf.acme.example",
    },
    {
      about: "Without a network: a copy of the TUF repository in a folder",
      command: "trust root add acme --tuf-root root.json --mirror file:///srv/tuf",
    },
    {
      about: "Signatures must be in a log, whatever else they have",
      command: "trust root add acme --file trusted_root.json --require log",
    },
  ],
  arguments: { name: { summary: "the name: lower-case letters, digits, dots, dashes" } },
  options: {
    file: { value: "FILE", summary: "trusted_root.json to add", completes: "files" },
    "tuf-root": { value: "FILE", summary: "root.json of a TUF repository; goes with --mirror", completes: "files" },
    mirror: { value: "URL", summary: "where the TUF repository is: https://… or file:///FOLDER" },
    target: { value: "NAME", summary: "the target to fetch", default: "trusted_root.json" },
    ...mirrorOptions,
    require: { value: "EVIDENCE", summary: "evidence that every signature must have", choices: minima, many: true },
  },
  async run(context, { name }, options) {
    const { folder } = trustRootContext(context);
    if (name === defaultTrustRoot)
      throw new TrustError("USAGE", `the trust root ${name} is part of the program`, {
        hint: `Renew it with: trust root update ${name}; choose another name for a root of your own`,
      });
    await refuseTaken(folder, name);
    const stored = await readRoot(context, name, options);
    const root = withCode("TRUST_ROOT_INVALID", () => toTrustRoot(stored), options.file);
    await storeRoot(folder, stored, false);
    const results = createResults<PrintedRoot>(context, (printed) => formatRoot(context.io.stdout, printed));
    results.add(toPrintedRoot(root, context.io.now()), 0);
    results.end();
    return 0;
  },
});

async function readRoot(context: CommandContext, name: string, options: Options): Promise<StoredRoot> {
  const { file, "tuf-root": tufRoot, mirror, target } = options;
  const require =
    options.require.length === 0 ? {} : { require: Object.fromEntries(options.require.map((each) => [each, true])) };
  const now = context.io.now();
  const read = async (path: string, what: string) =>
    (await readSmallFile(context.resolvePath(path), what, maxRootBytes)).toString("utf8");
  if (file !== undefined && tufRoot === undefined && mirror === undefined)
    return { name, source: { kind: "file", added: now }, ...require, trustedRoot: await read(file, "the trust root") };
  if (file !== undefined || tufRoot === undefined || mirror === undefined)
    throw new TrustError("USAGE", "it is not said what to add", { expected: "--file, or --tuf-root and --mirror" });
  const metadata = { "root.json": await read(tufRoot, "the root of the TUF repository") };
  const web = await webSettings(context, options["ca-file"]);
  const { fetchRoot } = await import("../../trust/refresh.ts");
  return fetchRoot({ name, mirror, target, metadata, ...require, now, web, signal: context.io.signal });
}
