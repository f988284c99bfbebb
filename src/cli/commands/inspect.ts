import { TrustError } from "../../errors.ts";
import {
  type Inspected,
  type InspectedBytes,
  inspectBytes,
  inspectReference,
  maxInspectedBytes,
} from "../../inspect.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { readInput } from "../input.ts";
import { createLocator, isInLayout } from "../locate.ts";
import { plain } from "../print.ts";
import { formatInspected } from "../print-inspected.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "inspect",
  summary: "decode a signature, attestation, key, certificate or manifest",
  description:
    "Decodes one artifact, with everything that is needed to find out what is wrong with it: a signature or attestation by " +
    "the digest of its manifest or blob, a .sig or .att tag, a file with a bundle, a DSSE envelope, a Notation signature, a " +
    "certificate, a key (of private keys only how they are kept), a trusted_root.json, or a manifest. Nothing is verified: " +
    "what is shown is what the artifact says of itself. A file is meant where there is one of that name; - is standard input.",
  examples: [
    { about: "A bundle beside a file", command: "trust inspect app.tar.gz.sigstore.json" },
    {
      about: "A signature that trust tree lists",
      command:
        "trust inspect registry.example.com/app@sha256:224c4ff27e5a8495a55735b97ca323ffd37276fcadc8f397e5a80607ecf2ee65",
    },
    { about: "The bytes as they stand", command: "trust inspect --raw registry.example.com/app:1.2 | sha256sum" },
  ],
  arguments: {
    artifact: {
      summary: "a file, -, an image or artifact by tag or digest, or oci-layout:PATH[:TAG][@DIGEST]",
      completes: "files",
    },
  },
  options: {
    raw: { summary: "print the bytes as they stand" },
    ...registryOptions,
  },
  async run(context, args, options) {
    const found = (await inspectFile(context, args.artifact)) ?? (await inspectImage(context, args.artifact, options));
    if (options.raw) printRaw(context, found.bytes);
    else print(context, found.inspected);
    return 0;
  },
});

/** A path that starts as one; or a name as files have it, which as an image's would at least have a tag. */
const onlyFile = /^\.{0,2}\/|^[^:@]+\.(?:json|jsonl|pem|crt|cer|pub|key|sig)$/;

/** Nothing where there is no such file: then it is the name of an image, unless it can only be that of a file. */
async function inspectFile(context: CommandContext, path: string): Promise<InspectedBytes | undefined> {
  if (isInLayout(path)) return undefined;
  try {
    return inspectBytes(path, await readInput(context, path, "the artifact", maxInspectedBytes));
  } catch (error) {
    const isMissing = error instanceof TrustError && error.code === "FILE_NOT_FOUND";
    if (!isMissing || onlyFile.test(path)) throw error;
    return undefined;
  }
}

async function inspectImage(
  context: CommandContext,
  text: string,
  options: Parameters<typeof connect>[1],
): Promise<InspectedBytes> {
  if (/^sha(?:256|512):[0-9a-f]+$/.test(text))
    throw new TrustError("USAGE", "a digest alone does not say in which repository it is", {
      expected: `REPOSITORY@${text.slice(0, 150)}, or a file`,
    });
  const locator = createLocator(context, await connect(context, options));
  try {
    const { registry, image } = await locator.find(text);
    return await inspectReference(registry, image, { signal: context.io.signal });
  } finally {
    await locator.close();
  }
}

/** On a terminal, bytes of strangers are made harmless; else they are printed as they are. */
function printRaw({ io }: CommandContext, bytes: Uint8Array): void {
  const harmless = () => `${Buffer.from(bytes).toString("utf8").split("\n").map(plain).join("\n")}\n`;
  io.stdout.write(io.stdout.isTerminal ? harmless() : bytes);
}

function print(context: CommandContext, inspected: Inspected): void {
  const results = createResults<Inspected>(context, (result) => formatInspected(context.io.stdout, result));
  results.add(inspected, 0);
  results.end();
}
