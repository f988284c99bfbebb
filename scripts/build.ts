/**
 * Builds dist/: the CLI as CommonJS chunks (they start faster than ES modules, and each command loads only its own), the
 * library as ES modules, and the type declarations. Needs no network. usage: node scripts/build.ts [FOLDER [FILE]]
 * FILE receives which packages each chunk of the CLI holds.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { build, type Metafile, transformSync } from "esbuild";

const root = join(import.meta.dirname, "..");
const dist = resolve(root, process.argv[2] ?? "dist");
const [, , , packagesFile] = process.argv;
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const common = {
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  legalComments: "none",
  logLevel: "warning",
} as const;

rmSync(dist, { recursive: true, force: true });
await buildCli();
await buildLibrary();
buildTypes();

/** esbuild splits ES modules only, so that the chunks are made as such and turned into CommonJS one by one. */
async function buildCli(): Promise<void> {
  const { outputFiles, metafile } = await build({
    ...common,
    entryPoints: { trust: "src/cli/main.ts" },
    outdir: dist,
    outExtension: { ".js": ".cjs" },
    chunkNames: "cli/[name]-[hash]",
    define: { TRUST_VERSION: JSON.stringify(version), "import.meta.url": "undefined" },
    minify: true,
    metafile: true,
    write: false,
  });
  for (const { path, text } of outputFiles) {
    const { code } = transformSync(text, {
      format: "cjs",
      platform: "node",
      target: "node24",
      supported: { "dynamic-import": false },
      minify: true,
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
  }
  chmodSync(join(dist, "trust.cjs"), 0o755);
  writeFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), licensesOf(metafile));
  if (packagesFile !== undefined) writeFileSync(packagesFile, JSON.stringify(packagesOf(metafile)));
}

async function buildLibrary(): Promise<void> {
  await build({
    ...common,
    entryPoints: { index: "src/index.ts" },
    outdir: dist,
    chunkNames: "lib/[name]-[hash]",
    packages: "external",
    sourcemap: true,
  });
}

function buildTypes(): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = ["--project", join(root, "tsconfig.types.json"), "--outDir", join(dist, "types")];
  execFileSync(process.execPath, [tsc, ...args], { stdio: "inherit" });
}

/** The packages in each chunk, by its path below the folder. */
function packagesOf({ outputs }: Metafile): Record<string, readonly string[]> {
  const entries = Object.entries(outputs).map(([path, { inputs }]) => {
    const names = Object.keys(inputs).flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []);
    return [relative(dist, resolve(root, path)), [...new Set(names)]] as const;
  });
  return Object.fromEntries(entries);
}

/** The licences of the packages that are inside the bundle, which most of them ask to go with it. */
function licensesOf({ inputs }: Metafile): string {
  const folders = Object.keys(inputs).flatMap(
    (path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, version: of, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
      const texts = globSync("{LICENSE,LICENCE,License,license}*", { cwd: join(root, folder) });
      const text = texts.map((file) => readFileSync(join(root, folder, file), "utf8").trim()).join("\n\n");
      return `${name} ${of} (${license})\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}
