/**
 * Builds dist/: the CLI (CommonJS, quick to start), the library (ES modules) and the type declarations. Needs no network.
 * usage: node scripts/build.ts [FOLDER [FILE]]; FILE receives which packages each file of the CLI holds.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { bundleCli, packagesOf } from "./bundle-cli.ts";

const root = join(import.meta.dirname, "..");
const [, , folder = "dist", packagesFile] = process.argv;
const dist = resolve(root, folder);
// What is there stays usable until the new one is whole.
const staging = `${dist}.new`;

rmSync(staging, { recursive: true, force: true });
await writeCli();
await writeLibrary();
writeTypes();
rmSync(dist, { recursive: true, force: true });
renameSync(staging, dist);

async function writeCli(): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { files, packages, sources } = await bundleCli(root, version);
  for (const [path, code] of files) {
    mkdirSync(dirname(join(staging, path)), { recursive: true });
    writeFileSync(join(staging, path), code);
  }
  chmodSync(join(staging, "trust.cjs"), 0o755);
  writeFileSync(join(staging, "THIRD-PARTY-LICENSES.txt"), licensesOf(packagesOf(sources)));
  if (packagesFile !== undefined) writeFileSync(packagesFile, JSON.stringify(Object.fromEntries(packages)));
}

async function writeLibrary(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { index: "src/index.ts" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    packages: "external",
    outdir: staging,
    chunkNames: "lib/[name]-[hash]",
    sourcemap: true,
    logLevel: "warning",
  });
}

function writeTypes(): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = ["--project", join(root, "tsconfig.types.json"), "--outDir", join(staging, "types")];
  execFileSync(process.execPath, [tsc, ...args], { stdio: "inherit" });
}

/** The licences of the packages that are inside the bundle, which most of them ask to go with it. */
function licensesOf(packages: readonly string[]): string {
  const texts = packages.toSorted().map((name) => {
    const place = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
    const files = globSync("{LICENSE,LICENCE,License,license}*", { cwd: place });
    const text = files.map((file) => readFileSync(join(place, file), "utf8").trim()).join("\n\n");
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
