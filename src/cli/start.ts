import { readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import Module, { createRequire, enableCompileCache } from "node:module";
import { join } from "node:path";
import { Script } from "node:vm";
import { cacheFolder } from "./cache-folder.ts";

// The start of the built command. Most of the time of a short command would go into compiling its code: Node's compile
// cache keeps only what is compiled at once, which is little. So the code is loaded here, together with everything that
// an earlier run of the same command has compiled.

/** Written in by the build: hash and path of the code, the chunk to begin with, the first words of commands that end. */
declare const PACK: {
  readonly id: string;
  readonly file: string;
  readonly main: string;
  readonly cached: readonly string[];
};
declare const TRUST_VERSION: string;
declare const __dirname: string;

const digestBytes = 32;

// Asked for by scripts, often: needs none of the rest.
if (process.argv.length === 3 && process.argv[2] === "--version") writeSync(1, `${TRUST_VERSION}\n`);
else run();

function run(): void {
  const folder = cacheFolder(process.env, process.getuid?.());
  const [, , command = ""] = process.argv;
  const name = `${PACK.id}-${process.version}-${process.arch}-${command}`;
  const file = folder !== undefined && PACK.cached.includes(command) ? join(folder, name) : undefined;
  const cached = file === undefined ? undefined : readCache(file);

  const path = join(__dirname, PACK.file);
  const script = new Script(readFileSync(path, "latin1"), {
    filename: path,
    ...(cached === undefined ? {} : { cachedData: cached }),
  });
  if (file !== undefined && script.cachedDataRejected !== false) process.once("exit", () => writeCache(file, script));

  const pack = new Module(path);
  const require = createRequire(path);
  // Chunks that are files of their own find the pack where `require` looks first.
  require.cache[path] = pack;
  script.runInThisContext()(pack, (id: string): unknown => {
    // Such chunks are large; most of their code is compiled at once, so that Node's cache serves them well.
    if (id.startsWith("./") && folder !== undefined) enableCompileCache(folder);
    return require(id);
  });
  pack.exports(PACK.main);
}

function sha256(content: Uint8Array): Buffer {
  // Loaded here, because there are runs that need no hash.
  return process.getBuiltinModule("node:crypto").hash("sha256", content, "buffer");
}

/** V8 believes what it is given, so that a file which was cut off must be noticed here. */
function readCache(file: string): Buffer | undefined {
  try {
    const bytes = readFileSync(file);
    const content = bytes.subarray(digestBytes);
    return sha256(content).equals(bytes.subarray(0, digestBytes)) ? content : undefined;
  } catch {
    return undefined;
  }
}

function writeCache(file: string, script: Script): void {
  try {
    const content = script.createCachedData();
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, Buffer.concat([sha256(content), content]), { mode: 0o600, flag: "wx" });
    renameSync(temporary, file);
  } catch {
    // Only slower the next time.
  }
}
