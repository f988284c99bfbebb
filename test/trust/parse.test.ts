import { generateKeyPairSync, hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TrustedRoot as ProtobufTrustedRoot } from "@sigstore/protobuf-specs";
import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { parseTrustRoot, trustRootMediaTypes } from "../../src/trust/parse.ts";
import { isWithin } from "../../src/trust/trust-root.ts";
import { codeOf, errorOf } from "../support/errors.ts";

const bytes = readFileSync(join(import.meta.dirname, "../fixtures/sigstore/trusted_root.json"));
const options = { name: "test", source: { kind: "file" } } as const;

type Json = Record<string, unknown>;
type Path = readonly (string | number)[];

function parse(document: unknown, require?: unknown) {
  return parseTrustRoot(Buffer.from(JSON.stringify(document)), { ...options, require });
}

/** The fixture with a value put in the place of another; `undefined` removes it. */
function changed(path: Path, value: unknown): Json {
  const document: Json = JSON.parse(bytes.toString());
  let place: Json = document;
  for (const step of path.slice(0, -1)) place = place[step] as Json;
  place[path.at(-1) ?? ""] = value;
  return document;
}

function at(path: Path): unknown {
  return path.reduce<unknown>((place, step) => (place as Json)[step], JSON.parse(bytes.toString()));
}

const spkiOf = (type: "ec" | "rsa", size: string | number) => {
  const { publicKey } =
    type === "ec"
      ? generateKeyPairSync("ec", { namedCurve: String(size) })
      : generateKeyPairSync("rsa", { modulusLength: Number(size) });
  return publicKey;
};

describe("parseTrustRoot", () => {
  it("reads every entry as the reference implementation does", () => {
    const root = parseTrustRoot(bytes, options);
    const reference = ProtobufTrustedRoot.fromJSON(JSON.parse(bytes.toString()));
    expect(root.logs.map(({ baseUrl, logId, key, window }) => [baseUrl, logId, key.spki, window.start])).toEqual(
      reference.tlogs.map(({ baseUrl, logId, publicKey }) => [
        baseUrl,
        logId?.keyId,
        publicKey?.rawBytes,
        publicKey?.validFor?.start?.getTime(),
      ]),
    );
    expect(root.certificateLogs.map(({ logId }) => logId)).toEqual(reference.ctlogs.map(({ logId }) => logId?.keyId));
    for (const [ours, theirs] of [
      [root.certificateAuthorities, reference.certificateAuthorities],
      [root.timestampAuthorities, reference.timestampAuthorities],
    ] as const) {
      expect(ours.map(({ uri, chain }) => [uri, ...chain.map(({ raw }) => raw)])).toEqual(
        theirs.map(({ uri, certChain }) => [uri, ...(certChain?.certificates ?? []).map(({ rawBytes }) => rawBytes)]),
      );
    }
    expect(root.skipped).toEqual([]);
  });

  it("knows the names and ids that checkpoints are signed under", () => {
    const { logs } = parse(changed(["tlogs", 0, "baseUrl"], "https://log.example.com:8443/shard/"));
    expect(logs[0]?.origins).toEqual(["log.example.com:8443/shard", "log.example.com"]);
    expect(logs[0]?.checkpointKeyId).toEqual(logs[0]?.logId.subarray(0, 4));
    expect(logs[1]?.origins).toEqual(["rekor2.test"]);
    expect(parse(changed(["tlogs", 0, "baseUrl"], "log.example.com")).logs[0]?.origins).toEqual(["log.example.com"]);
    const keyId = { keyId: Buffer.from([1, 2, 3, 4]).toString("base64") };
    expect(parse(changed(["tlogs", 0, "checkpointKeyId"], keyId)).logs[0]?.checkpointKeyId).toEqual(
      Buffer.of(1, 2, 3, 4),
    );
  });

  it("takes the operator as declared, else the host", () => {
    expect(parse(changed(["tlogs", 0, "operator"], "acme.example")).logs[0]?.operator).toBe("acme.example");
    expect(parse(changed(["tlogs", 0, "baseUrl"], "https://a.example:1/x")).logs[0]?.operator).toBe("a.example");
  });

  it.each(trustRootMediaTypes)("reads %s", (mediaType) => {
    expect(parse({ mediaType }).logs).toEqual([]);
  });

  it("takes an object as it takes bytes", () => {
    expect(parseTrustRoot(JSON.parse(bytes.toString()), options)).toEqual(parseTrustRoot(bytes, options));
  });

  it("holds windows at both ends", () => {
    const validFor = { start: "2024-01-01T00:00:00.5Z", end: "2024-01-02T02:00:00+02:00" };
    const { window } =
      parse(changed(["certificateAuthorities", 0, "validFor"], validFor)).certificateAuthorities[0] ?? {};
    if (window === undefined) throw new Error("no window");
    const times = [
      "2024-01-01T00:00:00.499Z",
      "2024-01-01T00:00:00.500Z",
      "2024-01-02T00:00:00Z",
      "2024-01-02T00:00:00.001Z",
    ];
    expect(times.map((time) => isWithin(window, Date.parse(time)))).toEqual([false, true, true, false]);
  });

  it.each<[string, Path, unknown]>([
    ["no media type", ["mediaType"], undefined],
    ["another media type", ["mediaType"], "application/json"],
    ["an unknown field", ["extra"], {}],
    ["an unknown field of a log", ["tlogs", 0, "extra"], 1],
    ["an unknown field of a key", ["tlogs", 0, "publicKey", "extra"], 1],
    ["logs that are no list", ["tlogs"], {}],
    ["a log that is no object", ["tlogs", 0], "log"],
    ["a log without a key", ["tlogs", 0, "publicKey"], undefined],
    ["a log whose window is missing", ["tlogs", 0, "publicKey", "validFor"], undefined],
    ["a log whose window has no start", ["tlogs", 0, "publicKey", "validFor"], { end: "2030-01-01T00:00:00Z" }],
    ["a certificate log without a start", ["ctlogs", 0, "publicKey", "validFor", "start"], undefined],
    ["an authority without a start", ["certificateAuthorities", 0, "validFor", "start"], undefined],
    ["a timestamp authority without a window", ["timestampAuthorities", 0, "validFor"], undefined],
    ["a window that ends before it starts", ["ctlogs", 0, "publicKey", "validFor", "end"], "2020-01-01T00:00:00Z"],
    ["a start that is no time", ["ctlogs", 0, "publicKey", "validFor", "start"], "2024-02-30T00:00:00Z"],
    ["a start without a zone", ["ctlogs", 0, "publicKey", "validFor", "start"], "2024-02-01T00:00:00"],
    ["a start that is a number", ["ctlogs", 0, "publicKey", "validFor", "start"], 1],
    ["an empty chain", ["certificateAuthorities", 0, "certChain", "certificates"], []],
    ["no chain", ["certificateAuthorities", 0, "certChain"], undefined],
    [
      "a chain in another order",
      ["timestampAuthorities", 0, "certChain", "certificates"],
      (at(["timestampAuthorities", 0, "certChain", "certificates"]) as unknown[]).toReversed(),
    ],
    ["a certificate that is none", ["certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes"], "AAAA"],
    ["base64 for URLs", ["tlogs", 0, "logId", "keyId"], "_-__"],
    ["base64 without padding", ["tlogs", 0, "logId", "keyId"], "AAA"],
    ["base64 with a line break", ["tlogs", 0, "logId", "keyId"], "AAAA\nAAAA"],
    ["a key that is none", ["tlogs", 0, "publicKey", "rawBytes"], "AAAA"],
    [
      "a key with bytes behind it",
      ["tlogs", 0, "publicKey", "rawBytes"],
      Buffer.concat([Buffer.from(String(at(["tlogs", 0, "publicKey", "rawBytes"])), "base64"), Buffer.of(0)]).toString(
        "base64",
      ),
    ],
    ["a key of another kind than said", ["tlogs", 0, "publicKey", "keyDetails"], "PKIX_ED25519"],
    ["a curve other than said", ["tlogs", 0, "publicKey", "keyDetails"], "PKIX_ECDSA_P384_SHA_384"],
    ["an operator that is no text", ["tlogs", 0, "operator"], 5],
    ["a URL of a megabyte", ["tlogs", 0, "baseUrl"], "x".repeat(1024 * 1024)],
  ])("refuses %s", (_, path, value) => {
    expect(codeOf(() => parse(changed(path, value)))).toBe("TRUST_ROOT_INVALID");
  });

  it("says where in the document it is wrong", () => {
    const error = errorOf(() => parse(changed(["ctlogs", 0, "publicKey", "validFor", "start"], undefined)));
    expect(error.message).toContain("ctlogs[0].publicKey.validFor.start");
  });

  it.each([
    ["a member twice", Buffer.from(`{"mediaType":"${trustRootMediaTypes[0]}","tlogs":[],"tlogs":[]}`)],
    ["text that is not UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["more than 4 MiB", Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)],
    ["a number", Buffer.from("1")],
    ["nothing", Buffer.of()],
  ])("refuses %s", (_, document) => {
    expect(codeOf(() => parseTrustRoot(document, options))).toBe("TRUST_ROOT_INVALID");
  });

  it("throws nothing but its own errors, whatever a value is replaced by", () => {
    const values = [null, true, 0, -1, "", "x", [], {}, [null], { a: 1 }, "2024-01-01T00:00:00Z"];
    const paths: Path[] = [];
    const walk = (value: unknown, path: Path) => {
      if (path.length > 0) paths.push(path);
      if (typeof value === "object" && value !== null)
        for (const key of Object.keys(value))
          walk((value as Json)[key], [...path, Array.isArray(value) ? Number(key) : key]);
    };
    walk(JSON.parse(bytes.toString()), []);
    for (const path of paths)
      for (const value of values) {
        try {
          parse(changed(path, value));
        } catch (error) {
          expect(error).toBeInstanceOf(TrustError);
          expect(error).toMatchObject({ code: "TRUST_ROOT_INVALID" });
        }
      }
    expect(paths.length).toBeGreaterThan(60);
  });
});

describe("a log that is not understood", () => {
  const unknown = ["tlogs", 0, "publicKey", "keyDetails"];

  it.each<[string, Path, unknown]>([
    ["a kind of key of the future", unknown, "PKIX_ML_DSA_99"],
    ["no kind of key", unknown, undefined],
    ["the name of a property of every object", unknown, "constructor"],
    ["another hash of the tree", ["tlogs", 0, "hashAlgorithm"], "SHA3_512"],
    ["no hash of the tree", ["tlogs", 0, "hashAlgorithm"], undefined],
  ])("is skipped and listed: %s; the others stay", (_, path, value) => {
    const root = parse(changed(path, value));
    expect(root.skipped.map((entry) => entry.at)).toEqual(["tlogs[0]"]);
    expect(root.logs.map(({ baseUrl }) => baseUrl)).toEqual(["http://rekor2.test"]);
  });

  it("does not lower what is asked for", () => {
    const root = parse(changed(["ctlogs", 0, "publicKey", "keyDetails"], "PKIX_ML_DSA_99"));
    expect(root.certificateLogs).toEqual([]);
    expect(root.require.sct).toBe(1);
  });

  it("is refused all the same when it is malformed", () => {
    const document = changed(unknown, "PKIX_ML_DSA_99");
    const [log] = document["tlogs"] as { publicKey: Json }[];
    if (log !== undefined) log.publicKey["rawBytes"] = "not base64";
    expect(codeOf(() => parse(document))).toBe("TRUST_ROOT_INVALID");
  });
});

describe("kinds of keys", () => {
  const keyAt = (keyDetails: string, rawBytes: Buffer) =>
    parse(
      changed(["tlogs", 0, "publicKey"], {
        rawBytes: rawBytes.toString("base64"),
        keyDetails,
        validFor: { start: "2024-01-01T00:00:00Z" },
      }),
    ).logs[0];

  it.each([
    ["PKIX_ECDSA_P256_SHA_256", "prime256v1", "sha256"],
    ["PKIX_ECDSA_P384_SHA_384", "secp384r1", "sha384"],
    ["PKIX_ECDSA_P384_SHA_256", "secp384r1", "sha256"],
    ["PKIX_ECDSA_P521_SHA_512", "secp521r1", "sha512"],
  ])("reads %s", (details, curve, hashName) => {
    const spki = spkiOf("ec", curve).export({ type: "spki", format: "der" });
    expect(keyAt(details, spki)).toMatchObject({ scheme: { kind: "ecdsa", hash: hashName } });
  });

  it("reads RSA in both encodings, as one key", () => {
    const key = spkiOf("rsa", 2048);
    const spki = key.export({ type: "spki", format: "der" });
    const modern = keyAt("PKIX_RSA_PKCS1V15_2048_SHA256", spki);
    const old = keyAt("PKCS1_RSA_PKCS1V5", key.export({ type: "pkcs1", format: "der" }));
    expect(modern?.scheme).toEqual({ kind: "rsa-pkcs1", hash: "sha256" });
    expect(old?.key.keyId).toBe(modern?.key.keyId);
    expect(keyAt("PKIX_RSA_PSS_2048_SHA256", spki)?.scheme.kind).toBe("rsa-pss");
  });

  it("refuses RSA of another size than said", () => {
    const spki = spkiOf("rsa", 2048).export({ type: "spki", format: "der" });
    expect(codeOf(() => keyAt("PKIX_RSA_PKCS1V15_4096_SHA256", spki))).toBe("TRUST_ROOT_INVALID");
  });

  it("names a certificate log by its key, whatever the document says (RFC 6962 §3.2)", () => {
    const root = parse(changed(["ctlogs", 0, "logId", "keyId"], "AAAA"));
    const [log] = root.certificateLogs;
    expect(log?.logId).toEqual(hash("sha256", log?.key.spki ?? "", "buffer"));
  });
});

describe("roots in use", () => {
  const files = {
    "public-good": join(import.meta.dirname, "../../src/trust/embedded/public-good.json"),
    staging: join(import.meta.dirname, "../fixtures/sigstore/staging-trusted-root.json"),
  };
  it.each(Object.entries(files))("%s: is read whole, and its ids are those of its keys", (_, file) => {
    const document = JSON.parse(readFileSync(file, "utf8"));
    const root = parseTrustRoot(document.trustedRoot ?? document, options);
    expect(root.skipped).toEqual([]);
    const declared = (document.trustedRoot ?? document).ctlogs.map(
      (log: { logId: { keyId: string } }) => log.logId.keyId,
    );
    expect(root.certificateLogs.map(({ logId }) => logId.toString("base64"))).toEqual(declared);
    for (const { key, logId, checkpointKeyId, origins } of root.logs) {
      // C2SP signed-note: Ed25519 keys are named after their log, too.
      const named = Buffer.concat([Buffer.from(`${origins[0]}\n\x01`), key.spki.subarray(-32)]);
      const expected = hash("sha256", key.algorithm === "ed25519" ? named : key.spki, "buffer");
      expect(logId).toEqual(expected);
      expect(checkpointKeyId).toEqual(expected.subarray(0, 4));
    }
  });
});

describe("evidence minima", () => {
  it("asks for a log entry or a timestamp, and for an SCT where there are certificate logs", () => {
    expect(parseTrustRoot(bytes, options).require).toEqual({ log: 0, timestamp: 0, logOrTimestamp: 1, sct: 1 });
    expect(parse(changed(["ctlogs"], [])).require.sct).toBe(0);
  });

  it("asks for a timestamp where there are no logs", () => {
    expect(parse(changed(["tlogs"], [])).require.timestamp).toBe(1);
  });

  it("asks for what the owner says, and tells what was lowered", () => {
    const root = parse(changed(["mediaType"], trustRootMediaTypes[0]), { log: true, timestamp: 2, sct: false });
    expect(root.require).toEqual({ log: 1, timestamp: 2, logOrTimestamp: 1, sct: 0 });
    expect(root.relaxed).toEqual(["sct"]);
  });

  it.each([{ log: -1 }, { log: 1.5 }, { log: "yes" }, { log: 1000 }, { tlog: true }, []])("refuses %j", (require) => {
    expect(codeOf(() => parse(changed(["tlogs"], []), require))).toBe("TRUST_ROOT_INVALID");
  });
});

describe("the revision", () => {
  it("depends on what is believed, not on how it is written", () => {
    const document = JSON.parse(bytes.toString());
    const reordered = Object.fromEntries(Object.entries(document).toReversed());
    const { revision } = parseTrustRoot(bytes, options);
    expect(parse(reordered).revision).toBe(revision);
    expect(parseTrustRoot(Buffer.from(JSON.stringify(document, undefined, 4)), options).revision).toBe(revision);
  });

  it.each<[string, Path, unknown]>([
    ["a window", ["tlogs", 0, "publicKey", "validFor", "start"], "2024-01-02T00:00:00Z"],
    ["an end", ["timestampAuthorities", 0, "validFor", "end"], "2030-01-02T00:00:00Z"],
    ["a log", ["tlogs"], []],
    ["an id", ["tlogs", 0, "logId", "keyId"], "AAAA"],
    ["an operator", ["tlogs", 0, "operator"], "acme.example"],
    ["a URL", ["tlogs", 0, "baseUrl"], "https://acme.example"],
  ])("changes with %s", (_, path, value) => {
    expect(parse(changed(path, value)).revision).not.toBe(parseTrustRoot(bytes, options).revision);
  });

  it("changes with the minima", () => {
    expect(parse(JSON.parse(bytes.toString()), { log: true }).revision).not.toBe(
      parseTrustRoot(bytes, options).revision,
    );
  });
});
