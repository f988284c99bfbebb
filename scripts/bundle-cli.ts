import { createHash } from "node:crypto";
import { basename } from "node:path";
import { build, transformSync } from "esbuild";

/** What the CLI is made of, ready to be written: files by their path below the folder, and what each of them holds. */
export interface CliBundle {
  readonly files: ReadonlyMap<string, string>;
  /** The packages inside each file. */
  readonly packages: ReadonlyMap<string, readonly string[]>;
  /** Every source file, from the root of the project. */
  readonly sources: readonly string[];
}

interface Chunk {
  readonly name: string;
  readonly code: string;
  readonly inputs: readonly string[];
}

const folder = "cli";
const packName = "pack.cjs";
const mainName = "main.cjs";
/** Packages that nearly every command needs. */
const lightPackages = new Set(["lru-cache"]);
/** Commands that end soon, so that the time they take to start counts. */
const cachedCommands = ["sign", "attest", "verify", "audit", "key", "login", "logout", "push", "completion", "help"];
const common = { platform: "node", target: "node24", minify: true, legalComments: "none" } as const;

/**
 * Bundles the CLI. esbuild splits ES modules only, so that chunks are made as such and each is turned into CommonJS, which
 * starts faster. Chunks that hold a large package, or a server, are files of their own; all others go into one file, as
 * functions that run when they are first required: finding and reading twenty files is what a short command would spend
 * its time with. `src/cli/start.ts` loads that file.
 */
export async function bundleCli(root: string, version: string): Promise<CliBundle> {
  const settings = {
    ...common,
    absWorkingDir: root,
    bundle: true,
    outdir: "out",
    write: false,
    metafile: true,
  } as const;
  const constants = { TRUST_VERSION: JSON.stringify(version), "import.meta.url": "undefined" };
  const { outputFiles, metafile } = await build({
    ...settings,
    entryPoints: { main: "src/cli/main.ts" },
    splitting: true,
    format: "esm",
    outExtension: { ".js": ".cjs" },
    chunkNames: "[name]-[hash]",
    define: constants,
  });
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const chunks = Object.entries(metafile.outputs).map(([path, { inputs }]) => {
    const name = basename(path);
    return { name, code: toCommonJs(texts.get(name) ?? ""), inputs: Object.keys(inputs) };
  });
  const { files, packages } = arrange(chunks);
  const id = createHash("sha256")
    .update(files.get(`${folder}/${packName}`) ?? "")
    .digest("hex")
    .slice(0, 16);
  const pack = { id, file: `${folder}/${packName}`, main: mainName, cached: cachedCommands };
  const start = await build({
    ...settings,
    entryPoints: ["src/cli/start.ts"],
    format: "cjs",
    define: { ...constants, PACK: JSON.stringify(pack) },
    banner: { js: "#!/usr/bin/env node" },
  });
  return {
    files: new Map([...files, ["trust.cjs", start.outputFiles[0]?.text ?? ""]]),
    packages,
    sources: Object.keys(metafile.inputs),
  };
}

function toCommonJs(code: string): string {
  return transformSync(code, { ...common, format: "cjs", supported: { "dynamic-import": false } }).code;
}

function arrange(chunks: readonly Chunk[]): Pick<CliBundle, "files" | "packages"> {
  const packed = chunks.filter(isLight);
  const names = new Set(packed.map(({ name }) => name));
  const apart = chunks.filter(({ name }) => !names.has(name));
  const files = apart.map(({ name, code }) => {
    const linked = relink(code, names, (chunk) => `require("./${packName}")("${chunk}")`);
    return [`${folder}/${name}`, linked] as const;
  });
  const packages = apart.map(({ name, inputs }) => [`${folder}/${name}`, packagesOf(inputs)] as const);
  const packedInputs = packed.flatMap(({ inputs }) => inputs);
  return {
    files: new Map([...files, [`${folder}/${packName}`, packOf(packed, names)]]),
    packages: new Map([...packages, [`${folder}/${packName}`, packagesOf(packedInputs)]]),
  };
}

function isLight({ inputs }: Chunk): boolean {
  const heavy = packagesOf(inputs).some((name) => !lightPackages.has(name));
  return !heavy && !inputs.some((input) => /^(?:src\/registry|webhook)\/(?!json|workload)/.test(input));
}

/** The npm packages among source files, each once. */
export function packagesOf(inputs: readonly string[]): readonly string[] {
  const names = inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []);
  return [...new Set(names)];
}

/** Chunks name each other with `require`; those in the pack are found there instead. */
function relink(code: string, packed: ReadonlySet<string>, link: (name: string) => string): string {
  return code.replace(/require\("\.\/([^"/]+\.cjs)"\)/g, (whole, name: string) =>
    packed.has(name) ? link(name) : whole,
  );
}

/** A script whose value is a function, so that what starts it need not copy it. */
function packOf(chunks: readonly Chunk[], names: ReadonlySet<string>): string {
  const functions = chunks.map(({ name, code }) => {
    const linked = relink(code, names, (chunk) => `$load("${chunk}")`);
    return `"${name}":function(module,exports){${linked}}`;
  });
  // Node makes its own `performance` when it is first named, which takes a millisecond; nothing but its clock is used here.
  return `(function(module,require){"use strict";
const performance={now(){const [seconds,nanoseconds]=process.hrtime();return seconds*1e3+nanoseconds/1e6}};
const $loaded={},$chunks={
${functions.join(",\n")}
};
function $load(name){
let module=$loaded[name];
if(module===undefined){module=$loaded[name]={exports:{}};$chunks[name](module,module.exports)}
return module.exports}
module.exports=$load;
})
`;
}
