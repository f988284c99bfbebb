/**
 * Writes the trust root that is part of the program, src/trust/embedded/public-good.json and the root of its TUF repository,
 * from the installed package @sigstore/tuf. usage: node scripts/trust-roots.ts ISSUED, when that package was published.
 *
 * src/trust/embedded/github.tuf.json is not made here: it is the root of GitHub's TUF repository as the GitHub CLI has it
 * (github.com/cli/cli/v2, pkg/cmd/attestation/verification/embed, v2.60.0); newer roots follow from it by TUF.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dirname, "..");
const mirror = "https://tuf-repo-cdn.sigstore.dev";

interface Seed {
  readonly "root.json": string;
  readonly targets: Readonly<Record<string, string>>;
}

/** What the installed package holds: the root of the TUF repository, and the trusted root. */
export function seededRoot(): {
  readonly tufRoot: { readonly signed: { readonly expires: string } };
  readonly trustedRoot: unknown;
} {
  const seeds: Readonly<Record<string, Seed>> = JSON.parse(
    readFileSync(join(project, "node_modules/@sigstore/tuf/seeds.json"), "utf8"),
  );
  const seed = seeds[mirror];
  const decode = (text = "") => JSON.parse(Buffer.from(text, "base64").toString());
  return { tufRoot: decode(seed?.["root.json"]), trustedRoot: decode(seed?.targets["trusted_root.json"]) };
}

if (import.meta.main) {
  const issued = new Date(process.argv[2] ?? "").toISOString();
  const { tufRoot, trustedRoot } = seededRoot();
  const write = (name: string, content: unknown) =>
    writeFileSync(join(project, "src/trust/embedded", name), `${JSON.stringify(content, undefined, 2)}\n`);
  write("public-good.json", { issued, expires: tufRoot.signed.expires, trustedRoot });
  write("public-good.tuf.json", tufRoot);
}
