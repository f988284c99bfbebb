import { describe, expect, it } from "vitest";
import { type KeyName, type MadeBundle, makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { certificateForgeries } from "../support/sigstore/forged-certificates.ts";
import { logForgeries } from "../support/sigstore/forged-entries.ts";
import { timestampForgeries } from "../support/sigstore/forged-timestamps.ts";
import { forge } from "../support/sigstore/forgeries.ts";
import { accepted, type Case, judge, judgeByPeer } from "../support/sigstore/judges.ts";
import { mutationsOf } from "../support/sigstore/mutations.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { type Difference, differences } from "./differences.ts";

// Our verifier and @sigstore/verify, on the same bundles: the same verdict, or a difference that is listed with its rule.

const world = createWorld({ witnesses: 1 });
const root = trustedRootOf(world);
const seen = new Set<Difference>();

/** Judges by both and answers with our verdict; what differs and is not listed is put into `unlisted`. */
async function compare(subject: Case, unlisted: string[]): Promise<boolean> {
  const own = await judge(subject);
  const peer = judgeByPeer(subject);
  const ours = own === accepted ? "accepts" : "refuses";
  if (ours !== (peer === accepted ? "accepts" : "refuses")) {
    const listed = differences.find(({ names, ours: direction }) => direction === ours && names.test(subject.name));
    if (listed === undefined) unlisted.push(`${subject.name}: ours ${own}, @sigstore/verify ${peer}`);
    else seen.add(listed);
  }
  return own === accepted;
}

const caseOf = (name: string, { bundle, artifact, leaf, key }: MadeBundle): Case => ({
  name,
  bundle: JSON.stringify(bundle),
  artifact,
  root,
  key: leaf === undefined ? key : undefined,
});

describe("valid bundles", () => {
  const keys: readonly KeyName[] = ["p256", "p384", "p521", "rsa", "ed25519"];
  const logs: readonly Recipe[] = [
    { log: "promise", version: "0.1" },
    { log: "v1", version: "0.1" },
    { log: "v1", later: 5 },
    { log: "v1", version: "0.2", timestamp: true },
    { log: "proof", timestamp: true },
    { log: "v2", timestamp: true, later: 5 },
    { log: "none", timestamp: true },
  ];
  const kinds = { dsse: ["hashedrekord", "dsse", "intoto"], message: ["hashedrekord"] } as const;

  it.each(keys)("of %s keys are accepted, in all forms", async (key) => {
    const unlisted: string[] = [];
    const refused: string[] = [];
    for (const recipe of recipesFor(key)) {
      const { content, signer, log, kind, version = "0.3" } = recipe;
      const name = `valid: ${content} ${signer} ${key} ${log} ${kind} ${version}`;
      const subject = caseOf(name, makeBundle(world, recipe));
      const require = log === "none" ? { log: 0, timestamp: 1 } : { log: 1, timestamp: 0 };
      if (!(await compare({ ...subject, require }, unlisted))) refused.push(name);
    }
    expect({ unlisted, refused }).toEqual({ unlisted: [], refused: [] });
  });

  function recipesFor(key: KeyName): readonly Recipe[] {
    const each = (content: "dsse" | "message", log: Recipe) =>
      kinds[content].flatMap((kind) => [
        { ...log, content, kind, key, signer: "certificate" as const },
        { ...log, content, kind, key, signer: "key" as const },
      ]);
    const all = logs.flatMap((log) => [...each("dsse", log), ...each("message", log)]);
    // Rekor v2 has no entries of that kind.
    return all.filter(({ log, kind }) => log !== "v2" || kind !== "intoto");
  }
});

// Hundreds of bundles each, and @sigstore/verify takes its time.
describe("a field changed", { timeout: 180_000 }, () => {
  /** What may be changed, because nothing that is believed rests on it. */
  const harmless: readonly RegExp[] = [
    /\.(logIndex|integratedTime|treeSize): a number$/,
    // Rekor v2 has no times; a time that nobody signed is not believed beside a plain key, which has no validity.
    /\.integratedTime: (dropped|null|zero|one more|a year later|2\^32 more)$/,
    // Where other evidence is enough.
    /\.inclusionPromise: (dropped|null)$/,
    /\.timestampVerificationData(\.rfc3161Timestamps(\.0)?)?: (dropped|null|empty|empty list)$/,
    // Certificates beside the leaf only help to find a path.
    /\.x509CertificateChain\.certificates: doubled$/,
    // A key is found by who trusts it, not by what the bundle calls it.
    /\.publicKey(\.hint)?: /,
    /^messageSignature\.messageDigest(\.algorithm)?: (dropped|empty)$/,
  ];

  it.each<[string, Recipe]>([
    ["version 0.2, Rekor v1 and a timestamp", { version: "0.2", timestamp: true }],
    ["Rekor v2 and a timestamp", { log: "v2", timestamp: true }],
    ["a file in Rekor v1", { content: "message" }],
    ["version 0.1 with a promise", { version: "0.1", log: "promise" }],
    ["a key in Rekor v2", { signer: "key", log: "v2" }],
  ])("%s: refused, or harmless and said why", async (_name, recipe) => {
    // Logs of its own, that are short: every hash of a proof makes twenty cases.
    const small = createWorld();
    const [made, other] = [makeBundle(small, recipe), makeBundle(small, recipe)];
    const believes = { root: trustedRootOf(small) };
    const unlisted: string[] = [];
    const believed: string[] = [];
    let count = 0;
    for (const { name, text } of mutationsOf(made.bundle, other.bundle)) {
      count++;
      const isAccepted = await compare({ ...caseOf(name, made), ...believes, bundle: text }, unlisted);
      if (isAccepted && !harmless.some((pattern) => pattern.test(name))) believed.push(name);
    }
    expect({ unlisted, believed }).toEqual({ unlisted: [], believed: [] });
    expect(count).toBeGreaterThan(150);
  });
});

describe("forged bundles, in which all signatures hold", () => {
  it.each([
    ["certificates", certificateForgeries(world)],
    ["log entries", logForgeries(world)],
    ["timestamps", timestampForgeries(world)],
  ])("%s are refused, or harmless", async (_name, forgeries) => {
    const unlisted: string[] = [];
    const wrong: string[] = [];
    for (const forgery of forgeries) {
      const isAccepted = await compare(forge(world, forgery), unlisted);
      if (isAccepted !== (forgery.harmless === true)) wrong.push(forgery.name);
    }
    expect({ unlisted, wrong }).toEqual({ unlisted: [], wrong: [] });
  });
});

describe("the list of differences", () => {
  it("names none that is gone", () => {
    expect(differences.filter((one) => !seen.has(one)).map(({ clause }) => clause)).toEqual([]);
  });
});
