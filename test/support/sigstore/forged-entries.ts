import { hash } from "node:crypto";
import { ecKey, type Issued } from "../x509.ts";
import { issueIdentity } from "./authority.ts";
import { type MadeBundle, makeBundle, type Recipe } from "./bundles.ts";
import { type Forgery, hour, impostor, windowed } from "./forgeries.ts";
import { base64, jcs } from "./jcs.ts";
import { checkpoint, type LogKey } from "./log-key.ts";
import { valueAt, withValue } from "./mutations.ts";
import type { Json } from "./rekor-v1.ts";
import { logInstance, type TrustedRootJson, trustedRootOf, type World } from "./world.ts";

const v2: Recipe = { log: "v2", timestamp: true };
const entries = ["verificationMaterial", "tlogEntries"] as const;
const entry = [...entries, 0] as const;
const proof = [...entry, "inclusionProof"] as const;

/** Entries of logs that do not stand for this signature. */
export function logForgeries(world: World): readonly Forgery[] {
  const { now, beginning, rekor, rekor2 } = world;
  const hashed: Recipe = { content: "message" };
  const ended = { start: beginning, end: now() - hour };
  return [
    { name: "v1 by an unknown log", root: withoutLogs(world, 0) },
    { name: "v2 by an unknown log", recipe: v2, root: withoutLogs(world, 1) },
    { name: "v1 after the log was retired", root: windowed("rekor", ended) },
    { name: "v1 before the log began", root: windowed("rekor", { start: now() + hour }) },
    {
      name: "v1, proof only, after the log was retired",
      recipe: { log: "proof", timestamp: true },
      root: windowed("rekor", ended),
    },
    { name: "v2 after the log was retired", recipe: v2, root: windowed("rekor2", ended) },
    { name: "v2 before the log began", recipe: v2, root: windowed("rekor2", { start: now() + hour }) },
    { name: "log without a beginning in the root", root: withoutStart },
    { name: "v1 by another key under the name of the log", root: replaceLog(0, impostor(rekor.key)) },
    { name: "v2 by another key under the name of the log", recipe: v2, root: replaceLog(1, impostor(rekor2.key)) },
    {
      name: "body with another hash",
      recipe: { ...hashed, body: inBody(["spec", "data", "hash", "value"], hash("sha256", "x")) },
    },
    {
      name: "body with another hash function",
      recipe: { ...hashed, body: inBody(["spec", "data", "hash", "algorithm"], "sha512") },
    },
    {
      name: "body with another signature",
      recipe: { ...hashed, body: inBody(["spec", "signature", "content"], base64(Buffer.alloc(70, 1))) },
    },
    {
      name: "body with another key",
      recipe: { ...hashed, body: inBody(["spec", "signature", "publicKey", "content"], strangePem()) },
    },
    {
      name: "body with another payload",
      recipe: { body: inBody(["spec", "payloadHash", "value"], hash("sha256", "x")) },
    },
    {
      name: "body with another envelope signature",
      recipe: { body: inBody(["spec", "signatures", 0, "signature"], base64(Buffer.alloc(70, 1))) },
    },
    {
      name: "body with another envelope key",
      recipe: { body: inBody(["spec", "signatures", 0, "verifier"], strangePem()) },
    },
    { name: "body with a signature more", recipe: { body: secondSignature } },
    {
      name: "intoto body with another payload",
      recipe: { kind: "intoto", body: inBody(["spec", "content", "payloadHash", "value"], hash("sha256", "x")) },
    },
    {
      name: "intoto body with another signature",
      recipe: {
        kind: "intoto",
        body: inBody(["spec", "content", "envelope", "signatures", 0, "sig"], base64(Buffer.from("AAAA"))),
      },
    },
    {
      name: "intoto body with another key",
      recipe: {
        kind: "intoto",
        body: inBody(["spec", "content", "envelope", "signatures", 0, "publicKey"], strangePem()),
      },
    },
    {
      name: "v2 body with another digest",
      recipe: { ...v2, body: inBody(["spec", "hashedRekordV002", "data", "digest"], base64(Buffer.alloc(32, 1))) },
    },
    {
      name: "v2 body with another certificate",
      recipe: {
        ...v2,
        body: inBody(
          ["spec", "hashedRekordV002", "signature", "verifier", "x509Certificate", "rawBytes"],
          base64(rekorLeaf(world).der),
        ),
      },
    },
    {
      name: "v2 body with another signature",
      recipe: {
        ...v2,
        body: inBody(["spec", "hashedRekordV002", "signature", "content"], base64(Buffer.alloc(70, 1))),
      },
    },
    {
      name: "v2 dsse body with another payload",
      recipe: {
        ...v2,
        kind: "dsse",
        body: inBody(["spec", "dsseV002", "payloadHash", "digest"], base64(Buffer.alloc(32, 1))),
      },
    },
    {
      name: "v2 dsse body with another signature",
      recipe: {
        ...v2,
        kind: "dsse",
        body: inBody(["spec", "dsseV002", "signatures", 0, "content"], base64(Buffer.alloc(70, 1))),
      },
    },
    { name: "body of another kind", recipe: { body: inBody(["kind"], "rekord") } },
    { name: "body of another version", recipe: { body: inBody(["apiVersion"], "0.0.9") } },
    { name: "v1 checkpoint of another tree", edit: otherTree(rekor.key, `${rekor.key.name} - ${rekor.treeId}`, false) },
    {
      name: "v1 checkpoint and root of another tree",
      edit: otherTree(rekor.key, `${rekor.key.name} - ${rekor.treeId}`, true),
    },
    { name: "v2 checkpoint of another tree", recipe: v2, edit: otherTree(rekor2.key, rekor2.key.name, false) },
    { name: "v2 checkpoint and root of another tree", recipe: v2, edit: otherTree(rekor2.key, rekor2.key.name, true) },
    { name: "v2 checkpoint of another origin", recipe: v2, edit: originOf(rekor2.key, "evil.test") },
    { name: "v1 checkpoint of another origin", edit: originOf(rekor.key, "evil.test - 1") },
    {
      name: "v1 checkpoint by a stranger's key",
      edit: originOf(impostor(rekor.key), `${rekor.key.name} - ${rekor.treeId}`),
    },
    {
      name: "v1 checkpoint by a stranger's key with the hint of the log",
      edit: originOf({ ...impostor(rekor.key), hint: rekor.key.hint }, `${rekor.key.name} - ${rekor.treeId}`),
    },
    { name: "v1 promise by a stranger's key", edit: strangePromise },
    {
      name: "v1 promise of another time",
      edit: ({ bundle }) => withValue(bundle, [...entry, "integratedTime"], String(Math.floor(now() / 1000))),
    },
    { name: "the same entry twice, under another index", recipe: { log: "proof", timestamp: true }, edit: entryAgain },
    { name: "an entry of an unknown log beside a good one", edit: entryOfStranger, harmless: true },
    { name: "an entry of another signature beside a good one", edit: entryOfAnother },
    { name: "one signature in both logs", edit: bothLogs, recipe: { content: "message" }, harmless: true },
    { name: "no entry", recipe: { log: "none", timestamp: true } },
  ];
}

const withoutLogs = (world: World, index: number) => () => {
  const root = trustedRootOf(world);
  return { ...root, tlogs: root.tlogs.filter((_, at) => at !== index) };
};

const replaceLog = (index: number, key: LogKey) => (world: World) => {
  const root = trustedRootOf(world);
  return { ...root, tlogs: root.tlogs.with(index, logInstance(key, world.validFor.rekor)) };
};

function withoutStart(world: World): TrustedRootJson {
  const root = trustedRootOf(world);
  const [first = {}, ...rest] = root.tlogs;
  return { ...root, tlogs: [withValue(first, ["publicKey", "validFor"], {}), ...rest] };
}

const inBody = (path: readonly (string | number)[], value: unknown) => (body: Json) => withValue(body, path, value);
const strangePem = () => base64(Buffer.from(ecKey().publicKey.export({ type: "spki", format: "pem" })));

function rekorLeaf(world: World): Issued {
  const claims = { iss: "https://issuer.test", email: "mallory@example.com" };
  return issueIdentity({ authority: world.fulcio, key: ecKey(), claims, at: world.now(), logs: [world.ctlog] });
}

function secondSignature(body: Json): Json {
  const { spec } = body as { spec: { signatures: readonly Json[] } };
  const [first] = spec.signatures;
  return withValue(body, ["spec", "signatures"], [first, { ...first, signature: base64(Buffer.alloc(70, 1)) }]);
}

/** A tree of the same size with other leaves, signed by the log. */
const otherTree =
  (key: LogKey, origin: string, withRoot: boolean) =>
  ({ bundle }: MadeBundle): Json => {
    const root = hash("sha256", "another tree", "buffer");
    const size = Number(valueAt(bundle, [...proof, "treeSize"]));
    const signed = withValue(bundle, [...proof, "checkpoint", "envelope"], checkpoint(key, { origin, size, root }));
    return withRoot ? withValue(signed, [...proof, "rootHash"], base64(root)) : signed;
  };

/** The same tree, signed under another origin or by another key. */
const originOf =
  (key: LogKey, origin: string) =>
  ({ bundle }: MadeBundle): Json => {
    const size = Number(valueAt(bundle, [...proof, "treeSize"]));
    const root = Buffer.from(String(valueAt(bundle, [...proof, "rootHash"])), "base64");
    return withValue(bundle, [...proof, "checkpoint", "envelope"], checkpoint(key, { origin, size, root }));
  };

function strangePromise({ bundle }: MadeBundle, world: World): Json {
  const other = makeBundle(world);
  const promise = valueAt(other.bundle, [...entry, "inclusionPromise"]);
  return withValue(bundle, [...entry, "inclusionPromise"], promise);
}

const withEntry = (bundle: Json, added: unknown): Json =>
  withValue(bundle, entries, [...(valueAt(bundle, entries) as unknown[]), added]);

function entryAgain({ bundle }: MadeBundle): Json {
  return withEntry(bundle, { ...(valueAt(bundle, entry) as Json), logIndex: "77" });
}

function entryOfStranger({ bundle }: MadeBundle): Json {
  const strange = { ...(valueAt(bundle, entry) as Json), logId: { keyId: base64(Buffer.alloc(32, 7)) } };
  return withEntry(bundle, strange);
}

function entryOfAnother({ bundle }: MadeBundle, world: World): Json {
  return withEntry(bundle, valueAt(makeBundle(world).bundle, entry));
}

function bothLogs({ bundle, leaf }: MadeBundle, { rekor2 }: World): Json {
  const body = { apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002: v2BodyOf(bundle, leaf) } };
  return withEntry(bundle, rekor2.entry(rekor2.append(jcs(body))));
}

function v2BodyOf(bundle: Json, leaf: Issued | undefined): Json {
  const { messageDigest, signature } = valueAt(bundle, ["messageSignature"]) as Record<string, Json>;
  const verifier = {
    keyDetails: "PKIX_ECDSA_P256_SHA_256",
    x509Certificate: { rawBytes: base64(leaf?.der ?? Buffer.alloc(0)) },
  };
  return { data: messageDigest, signature: { content: signature, verifier } };
}
