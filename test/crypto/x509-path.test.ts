import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type Certificate, parseCertificate } from "../../src/crypto/x509.ts";
import { createPathCache, type PathRequest, verifyPath } from "../../src/crypto/x509-path.ts";
import { parseCertificates } from "../../src/crypto/x509-pem.ts";
import { codeOfRejection } from "../support/errors.ts";
import {
  algorithms,
  authorityKeyId,
  basicConstraints,
  bits,
  codeSigning,
  dns,
  ecKey,
  eku,
  email,
  end,
  type Issued,
  issue,
  issueAuthority,
  issueLeaf,
  keyUsage,
  middle,
  name,
  nameConstraints,
  oid,
  parse,
  pemOf,
  san,
  start,
  subjectKeyId,
} from "../support/x509.ts";
import { type Scenario, scenarios, timeStamping } from "../support/x509-scenarios.ts";
import { sequence } from "./der.ts";

const requestOf = ({ leaf, intermediates = [], roots, at = middle }: Scenario): PathRequest => ({
  leaf: parse(leaf),
  intermediates: intermediates.map(parse),
  roots: roots.map(parse),
  at,
  eku: codeSigning,
});
const judge = (scenario: Scenario, more: Partial<PathRequest> = {}) =>
  codeOfRejection(verifyPath({ ...requestOf(scenario), ...more }));

describe("a path", () => {
  it.each(Object.entries(scenarios))("is judged: %s", async (_, scenario) => {
    expect(await judge(scenario)).toBe(scenario.refused);
  });

  it("is judged the same with a cache that has seen all of them", async () => {
    const cache = createPathCache();
    for (const pass of [1, 2]) {
      for (const [title, scenario] of Object.entries(scenarios))
        expect(await judge(scenario, { cache }), `${title}, pass ${pass}`).toBe(scenario.refused);
    }
  });

  it("names its certificates from leaf to root, and how long it holds", async () => {
    const root = issueAuthority("root", { notBefore: start + 1000 });
    const int = issueAuthority("int", { issuer: root, notAfter: end - 1000 });
    const leaf = issueLeaf(int);
    const path = await verifyPath(requestOf({ leaf, intermediates: [int], roots: [root] }));
    expect(path.chain.map(({ raw }) => raw)).toEqual([leaf.der, int.der, root.der]);
    expect(path).toMatchObject({ notBefore: start + 1000, notAfter: end - 1000 });
  });

  it("is refused at a time that is no time", async () => {
    const { "a leaf, an intermediate and a root": plain } = scenarios;
    if (plain === undefined) throw new Error("no scenario");
    for (const at of [Number.NaN, Infinity, -Infinity, 1e300])
      expect(await judge(plain, { at })).toBe("CERTIFICATE_EXPIRED");
  });

  it("may be for another purpose, or for none in particular", async () => {
    const root = issueAuthority("root");
    const key = ecKey();
    const leaf = issue({ key, issuer: root, extensions: [keyUsage(0), eku(timeStamping)] });
    const bare = issue({ key, issuer: root, extensions: [keyUsage(0)] });
    const check = (certificate: Issued, purpose: string | undefined) =>
      judge({ leaf: certificate, roots: [root] }, { eku: purpose });
    expect(await check(leaf, timeStamping)).toBeUndefined();
    expect(await check(leaf, codeSigning)).toBe("CERTIFICATE_INVALID");
    expect(await check(bare, undefined)).toBeUndefined();
    expect(await check(bare, timeStamping)).toBe("CERTIFICATE_INVALID");
  });

  it("is not longer than it may be", async () => {
    const { "a leaf, an intermediate and a root": plain } = scenarios;
    if (plain === undefined) throw new Error("no scenario");
    expect(await judge(plain, { maxDepth: 2 })).toBeUndefined();
    expect(await judge(plain, { maxDepth: 1 })).toBe("CERTIFICATE_UNTRUSTED");
  });

  it("tells what was expected and what was found, whatever is wrong", async () => {
    for (const [title, scenario] of Object.entries(scenarios)) {
      if (scenario.refused === undefined) continue;
      const error = await verifyPath(requestOf(scenario)).catch((reason: unknown) => reason);
      expect(error, title).toMatchObject({ expected: expect.stringMatching(/./), found: expect.stringMatching(/./) });
    }
  });

  it("is not proved by a recorded chain of another authority", async () => {
    const read = (file: string) => {
      const [certificate] = parseCertificates(
        readFileSync(join(import.meta.dirname, "../fixtures/x509", file), "utf8"),
      );
      if (certificate === undefined) throw new Error(file);
      return certificate;
    };
    const at = Date.UTC(2026, 10, 20, 23, 28);
    const fulcio = { intermediates: [read("sigstore/fulcio-int.crt")], roots: [read("sigstore/fulcio-root.crt")] };
    const own = { intermediates: [read("own-ca/int.crt")], roots: [read("own-ca/root.crt")] };
    const keyless = { leaf: read("keyless/email-cosign2.crt"), at, eku: codeSigning };
    expect(await codeOfRejection(verifyPath({ ...keyless, ...fulcio }))).toBeUndefined();
    expect(await codeOfRejection(verifyPath({ ...keyless, ...own }))).toBe("CERTIFICATE_UNTRUSTED");
    expect(await codeOfRejection(verifyPath({ ...keyless, ...fulcio, at: at + 86_400_000 }))).toBe(
      "CERTIFICATE_EXPIRED",
    );
    const signer = { leaf: read("own-ca/leaf.crt"), at: at + 86_400_000, eku: codeSigning };
    expect(await codeOfRejection(verifyPath({ ...signer, ...own }))).toBeUndefined();
    const tsa = { intermediates: [read("sigstore/tsa-int.crt")], roots: [read("sigstore/tsa-root.crt")] };
    const stamp = { leaf: read("sigstore/tsa.crt"), at, eku: timeStamping };
    expect(await codeOfRejection(verifyPath({ ...stamp, ...tsa }))).toBeUndefined();
    for (const kind of ["ec256", "ec384", "ec521", "rsa3072", "ed25519"]) {
      const notation = { intermediates: [read("notation/int.crt")], roots: [read("notation/root.crt")] };
      expect(
        await codeOfRejection(verifyPath({ leaf: read(`notation/${kind}.crt`), at: at + 86_400_000, ...notation })),
        kind,
      ).toBeUndefined();
    }
  });
});

describe("the work for a path", () => {
  const root = issueAuthority("root");

  it("is bounded when many authorities of one name certify each other", async () => {
    const keys = Array.from({ length: 8 }, () => ecKey());
    const mesh = keys.flatMap((key, index) =>
      keys
        .slice(0, 4)
        .map((issuerKey) => issueAuthority("mesh", { key, issuer: { subject: name("mesh"), key: issuerKey } }))
        .slice(index % 2),
    );
    const intermediates = mesh.slice(0, 31);
    const leaf = issueLeaf({ subject: name("mesh"), key: ecKey() });
    const top = issueAuthority("mesh", { issuer: root });
    const started = performance.now();
    expect(await judge({ leaf, intermediates: [...intermediates, top], roots: [root] })).toBe("CERTIFICATE_UNTRUSTED");
    expect(performance.now() - started).toBeLessThan(1500);
  });

  it("is bounded in intermediates", async () => {
    const intermediates = Array.from({ length: 33 }, () => root);
    expect(await judge({ leaf: issueLeaf(root), intermediates, roots: [root] })).toBe("CERTIFICATE_INVALID");
  });

  it("finds a path of twenty-odd where each authority has two certificates", async () => {
    const int = issueAuthority("int", { issuer: root });
    const decoys = Array.from({ length: 20 }, () => issueAuthority("int", { issuer: root }));
    expect(await judge({ leaf: issueLeaf(int), intermediates: [...decoys, int], roots: [root] })).toBeUndefined();
  });

  it("uses no key that is not proved: an unproved one may be anything", async () => {
    const odd = issue({
      subject: "int",
      key: ecKey(),
      issuer: { subject: root.subject, key: ecKey() },
      extensions: [basicConstraints(true), keyUsage(5)],
      parts: { spki: sequence(sequence(oid("1.2.3")), bits(Buffer.alloc(32))) },
    });
    const leaf = issueLeaf({ subject: name("int"), key: ecKey() });
    expect(await judge({ leaf, intermediates: [odd], roots: [root] })).toBe("CERTIFICATE_UNTRUSTED");
  });
});

describe("a path cache", () => {
  const root = issueAuthority("root", { key: ecKey("P-384"), algorithm: algorithms["ecdsa-sha384"] });
  const int = issueAuthority("int", { issuer: root, algorithm: algorithms["ecdsa-sha384"] });
  const scenario = { leaf: issueLeaf(int), intermediates: [int], roots: [root] };

  it("remembers authorities, never leaves", async () => {
    const cache = createPathCache();
    await judge(scenario, { cache });
    await judge({ ...scenario, leaf: issueLeaf(int) }, { cache });
    expect(cache.size).toBe(1);
  });

  it("spares the signature of an authority that it remembers", async () => {
    const cache = createPathCache();
    const unsigned = issueAuthority("int", { issuer: root, signature: () => Buffer.alloc(8), key: int.key });
    const forged = { ...scenario, intermediates: [unsigned] };
    expect(await judge(forged, { cache })).toBe("CERTIFICATE_UNTRUSTED");
    const [child, parent] = [parse(unsigned), parse(root)];
    cache.set(`${child.fingerprint} ${parent.fingerprint}`, child);
    expect(await judge(forged, { cache })).toBeUndefined();
  });

  it("remembers nothing that was not proved from a root downwards", async () => {
    const cache = createPathCache();
    const foreign = issueAuthority("root");
    await judge({ ...scenario, roots: [foreign] }, { cache });
    expect(cache.size).toBe(0);
  });

  it("does not stand in for the root: the same authorities under other roots are refused", async () => {
    const cache = createPathCache();
    expect(await judge(scenario, { cache })).toBeUndefined();
    expect(await judge({ ...scenario, roots: [issueAuthority("root")] }, { cache })).toBe("CERTIFICATE_UNTRUSTED");
    expect(await judge({ ...scenario, roots: [] }, { cache })).toBe("CERTIFICATE_UNTRUSTED");
  });

  it("does not stand in for the time, the purpose or the signature of the leaf", async () => {
    const cache = createPathCache();
    expect(await judge(scenario, { cache })).toBeUndefined();
    expect(await judge(scenario, { cache, at: end + 1 })).toBe("CERTIFICATE_EXPIRED");
    expect(await judge(scenario, { cache, eku: timeStamping })).toBe("CERTIFICATE_INVALID");
    const forged = issueLeaf({ subject: int.subject, key: ecKey() });
    expect(await judge({ ...scenario, leaf: forged }, { cache })).toBe("CERTIFICATE_UNTRUSTED");
  });

  it("holds no more than it may", async () => {
    const cache = createPathCache(3);
    for (let index = 0; index < 6; index++) {
      const next = issueAuthority(`int ${index}`, { issuer: root, algorithm: algorithms["ecdsa-sha384"] });
      await judge({ leaf: issueLeaf(next), intermediates: [next], roots: [root] }, { cache });
    }
    expect(cache.size).toBe(3);
  });
});

describe("a changed certificate", () => {
  const root = issueAuthority("root");
  const int = issueAuthority("int", { issuer: root });
  const trust = {
    intermediates: [parse(int)],
    roots: [parse(root)],
    at: middle,
    eku: codeSigning,
    cache: createPathCache(),
  };

  it("is never believed, whichever bit of the leaf is changed", async () => {
    const { der } = issueLeaf(int);
    expect(await codeOfRejection(believe(der))).toBeUndefined();
    for (let bit = 0; bit < der.length * 8; bit++) {
      const changed = Buffer.from(der);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await codeOfRejection(believe(changed)), `bit ${bit}`).toMatch(/^CERTIFICATE_/);
    }
  });

  it("is never believed, whichever byte of an intermediate is changed", async () => {
    const leaf = parse(issueLeaf(int));
    const attempt = async (der: Buffer) =>
      verifyPath({ ...trust, leaf, intermediates: [parseCertificate(der)], cache: undefined });
    for (let at = 0; at < int.der.length; at++) {
      const changed = Buffer.from(int.der);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      expect(await codeOfRejection(attempt(changed)), `byte ${at}`).toMatch(/^CERTIFICATE_/);
    }
  });

  it("is never believed when bytes are cut, put in, or copied", async () => {
    const { der } = issueLeaf(int);
    const place = fc.nat(der.length - 1);
    await fc.assert(
      fc.asyncProperty(place, place, fc.uint8Array({ maxLength: 20 }), async (from, to, bytes) => {
        const changed = Buffer.concat([der.subarray(0, Math.min(from, to)), bytes, der.subarray(Math.max(from, to))]);
        fc.pre(!changed.equals(der));
        expect(await codeOfRejection(believe(changed))).toMatch(/^CERTIFICATE_/);
      }),
      { numRuns: 1000 },
    );
  });

  async function believe(der: Buffer): Promise<Certificate> {
    const leaf = parseCertificate(der);
    await verifyPath({ ...trust, leaf });
    return leaf;
  }
});

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "trust-x509-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasOpenssl)("openssl", () => {
  it.each(Object.entries(scenarios))("agrees, or is known to differ: %s", (_, scenario) => {
    const expected = scenario.openssl?.accepts ?? scenario.refused === undefined;
    expect(opensslAccepts(scenario)).toBe(expected);
  });

  it("accepts whatever is accepted here", async () => {
    const outcomes = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(randomScenario(), async (scenario) => {
        const accepted = (await judge(scenario)) === undefined;
        outcomes.add(accepted);
        if (accepted) expect(opensslAccepts(scenario)).toBe(true);
      }),
      { numRuns: 120 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });
});

/** A chain whose parts are right more often than wrong. */
function randomScenario(): fc.Arbitrary<Scenario> {
  const mostly = <T>(usual: T, ...others: readonly T[]) =>
    fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, ...others.map((other) => fc.constant(other)));
  const link = fc.record({
    ca: mostly(true, false),
    pathLength: mostly<number | undefined>(undefined, 0, 1),
    usage: mostly<readonly number[]>([5, 6], [0], [5]),
    notAfter: mostly(end, middle - 1000),
    sameKey: mostly(true, false),
    permitted: mostly<string | undefined>(undefined, "example.com", "example.org"),
  });
  return fc.array(link, { minLength: 1, maxLength: 3 }).map((links) => {
    let issuer: Issued | undefined;
    const authorities = links.map(({ ca, pathLength, usage, notAfter, sameKey, permitted }, index) => {
      const key = ecKey();
      const constraints = permitted === undefined ? [] : [nameConstraints([dns(permitted)])];
      const link = issuer === undefined ? [] : [authorityKeyId(issuer.key)];
      const extensions = [
        ...link,
        basicConstraints(ca, ca ? pathLength : undefined),
        keyUsage(...usage),
        subjectKeyId(key),
        ...constraints,
      ];
      const signer = issuer === undefined || sameKey ? issuer : { subject: issuer.subject, key: ecKey() };
      issuer = issue({ subject: `ca ${index}`, key, notAfter, extensions, issuer: signer });
      return issuer;
    });
    const leaf = issueLeaf(issuer ?? issueAuthority("none"), {
      extensions: [san([dns("a.example.com"), email("ci@example.com")])],
    });
    return { leaf, intermediates: authorities.slice(1), roots: authorities.slice(0, 1) };
  });
}

function opensslAccepts({ leaf, intermediates = [], roots, at = middle }: Scenario): boolean {
  const files = { leaf: pemOf(leaf), intermediates: pemOf(...intermediates), roots: pemOf(...roots) };
  for (const [file, pem] of Object.entries(files)) writeFileSync(join(folder, `${file}.pem`), pem);
  const lists = roots.length === 0 ? [] : ["-CAfile", "roots.pem"];
  const untrusted = intermediates.length === 0 ? [] : ["-untrusted", "intermediates.pem"];
  const options = [
    "-x509_strict",
    "-purpose",
    "any",
    "-partial_chain",
    "-no-CApath",
    "-no-CAstore",
    "-auth_level",
    "0",
  ];
  const time = ["-attime", `${Math.floor(at / 1000)}`];
  try {
    execFileSync("openssl", ["verify", ...options, ...time, ...lists, ...untrusted, "leaf.pem"], {
      cwd: folder,
      stdio: "pipe",
    });
    return true;
  } catch {
    return false;
  }
}
