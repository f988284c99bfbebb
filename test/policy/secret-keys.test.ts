import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parsePublicKey } from "../../src/crypto/public-key.ts";
import { asTrustError, TrustError } from "../../src/errors.ts";
import { parsePolicyDocument } from "../../src/policy/parse.ts";
import { keysOfSecret, type SecretEntry } from "../../src/policy/secret-keys.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const read = (path: string) => readFileSync(join(fixtures, path), "utf8");
const release = read("policies/keys/release.pub");
const second = read("policies/keys/second.pub");

/** The Secrets of a cluster, `NAMESPACE/NAME/ENTRY`, and what was asked of them. */
function secrets(texts: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const readSecret = async ({ name, namespace = "(own)", entry }: SecretEntry): Promise<string> => {
    const path = `${namespace}/${name}/${entry}`;
    asked.push(path);
    const text = texts[path];
    if (text === undefined) throw new TrustError("SECRET_UNUSABLE", `there is no ${path}`);
    return text;
  };
  return { asked, readSecret };
}

function policy(secretRef: object, namespace?: string): object {
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: namespace === undefined ? "ClusterTrustPolicy" : "TrustPolicy",
    metadata: { name: "p", namespace },
    spec: { images: [{ glob: "a/**" }], authorities: [{ name: "a", key: { secretRef } }] },
  };
}

const idOf = (pem: string) => parsePublicKey(pem).keyId;

async function load(object: object, texts: Readonly<Record<string, string>>) {
  const { asked, readSecret } = secrets(texts);
  const { policies, problems } = await parsePolicyDocument(JSON.parse(JSON.stringify(object)), { readSecret });
  const keys = policies.flatMap(({ authorities }) =>
    authorities.flatMap((one) => (one.kind === "key" ? one.keys.map(({ keyId }) => keyId) : [])),
  );
  return { asked, keys, problems };
}

describe("a key in a Secret", () => {
  it("is that of cosign.pub, in the namespace of the program, where a cluster policy says no more", async () => {
    const { keys, asked } = await load(policy({ name: "keys" }), { "(own)/keys/cosign.pub": release });
    expect(keys).toEqual([idOf(release)]);
    expect(asked).toEqual(["(own)/keys/cosign.pub"]);
  });

  it("is that of the entry and namespace that a cluster policy names", async () => {
    const { keys } = await load(policy({ name: "keys", namespace: "ci", key: "a.pem" }), { "ci/keys/a.pem": release });
    expect(keys).toEqual([idOf(release)]);
  });

  it("may be several, all of one signer", async () => {
    const { keys } = await load(policy({ name: "keys" }), { "(own)/keys/cosign.pub": `${release}\n${second}` });
    expect(keys).toEqual([idOf(release), idOf(second)]);
  });

  it("is read by a policy of a namespace from there, whether it says so or not", async () => {
    for (const said of [{}, { namespace: "shop" }]) {
      const { keys, asked } = await load(policy({ name: "keys", ...said }, "shop"), {
        "shop/keys/cosign.pub": release,
      });
      expect(keys).toEqual([idOf(release)]);
      expect(asked).toEqual(["shop/keys/cosign.pub"]);
    }
  });

  it("is never read by a policy of another namespace", async () => {
    const texts = { "ci/keys/cosign.pub": release, "shop/keys/cosign.pub": release };
    const { keys, problems, asked } = await load(policy({ name: "keys", namespace: "ci" }, "shop"), texts);
    expect(keys).toEqual([]);
    expect(problems.map(({ what }) => what)).toEqual([expect.stringContaining("not the namespace of the policy")]);
    expect(asked).not.toContain("ci/keys/cosign.pub");
  });

  it("that is not there is told by the words of whoever looked", async () => {
    const { keys, problems } = await load(policy({ name: "keys" }), {});
    expect(keys).toEqual([]);
    expect(problems.map(({ what }) => what)).toEqual([
      "spec.authorities[0].key.secretRef: there is no (own)/keys/cosign.pub",
    ]);
  });
});

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
const cut = `${release.slice(0, 80)}\n-----END PUBLIC KEY-----\n`;

describe("what is no public key", () => {
  it.each<[string, string, RegExp]>([
    ["a private key", String(pair.privateKey.export({ type: "pkcs8", format: "pem" })), /a private key/],
    ["a private key of cosign", read("keys/cosign.key"), /a private key/],
    ["a private key beside a public one", `${release}${read("keys/cosign.key")}`, /a private key/],
    ["a certificate", read("x509/own-ca/root.crt"), /a certificate/],
    ["a certificate beside a public key", `${release}${read("x509/own-ca/root.crt")}`, /a certificate/],
    ["binary data", Buffer.from([0x30, 0x59, 0x30, 0x13, 0xff, 0x00, 0x08]).toString("utf8"), /binary data/],
    ["a password", "hunter2", /no PEM/],
    ["nothing", "", /no PEM/],
    ["a key that is cut off", cut, /no readable key/],
    ["a weak key", String(weak.export({ type: "spki", format: "pem" })), /a key of no use/],
    ["a key and one that is cut off", `${release}${release.slice(0, 80)}`, /no readable key/],
    ["far too much", `${release}${" ".repeat(100_000)}`, /more than/],
  ])("%s is refused for what it is, and not repeated", async (_, text, words) => {
    const { readSecret } = secrets({ "(own)/keys/cosign.pub": text });
    const error = await keysOfSecret({ name: "keys", entry: "cosign.pub" }, readSecret).catch(asTrustError);
    expect(error).toBeInstanceOf(TrustError);
    if (!(error instanceof TrustError)) return;
    expect(error.code).toBe("SECRET_UNUSABLE");
    expect(error.message).toMatch(words);
    const said = [error.message, error.expected, error.found, error.hint, String(error.cause)].join(" ");
    for (const line of text.split("\n").filter((one) => one.length > 6 && !one.startsWith("-----")))
      expect(said).not.toContain(line.slice(0, 16));
  });
});
