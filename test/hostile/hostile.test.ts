import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatPublicKey, parsePublicKey } from "../../src/crypto/public-key.ts";
import { cosign } from "../../src/formats/cosign.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference, referrersTag } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { recordedPlaces } from "../support/places.ts";
import { tempDir } from "../support/process.ts";
import { newSigner, trusting } from "../support/signers.ts";
import { attacks } from "./attacks.ts";
import { type Carrier, type Claim, carriers, predicateType } from "./carriers.ts";

const folder = tempDir("hostile");
const client = createHttpRegistry({});
const signer = newSigner();
const second = newSigner();
let server: Awaited<ReturnType<typeof startRegistry>>;
let images = 0;

beforeAll(async () => {
  server = await startRegistry({ storage: join(folder.path, "storage"), listen: "127.0.0.1:0" });
  writeFileSync(join(folder.path, "own.pub"), formatPublicKey(signer.publicKey));
  writeFileSync(join(folder.path, "second.pub"), formatPublicKey(second.publicKey));
});
afterAll(async () => {
  client.close();
  await server.close();
  folder.cleanup();
});

interface Verdict {
  readonly outcome: string;
  readonly policies: readonly { readonly findings: readonly { readonly code: string }[] }[];
  readonly findings: readonly { readonly code: string }[];
}

async function newImage() {
  const text = `${new URL(server.url).host}/hostile/app${images++}:1`;
  const image = parseReference(text);
  const built = tinyImage(text);
  await pushImage(client, image, built);
  return { text, image, subject: built.descriptor };
}

const trust = (...args: string[]) => runTrust(args, { folder: folder.path });
const typeFlags = (carrier: Carrier, type = predicateType) => (carrier.kind === "attestation" ? ["--type", type] : []);

/** What the verdict of an image comes to: its outcome, exit code and the codes of its findings. */
async function judge(name: string, flags: readonly string[]) {
  const { code, stdout, stderr } = await trust("verify", "--key", "own.pub", ...flags, "--output", "json", name);
  const [printed] = JSON.parse(stdout) as readonly ({ verdict?: Verdict } & Verdict)[];
  const verdict = printed?.verdict ?? printed;
  const codes = [...(verdict?.findings ?? []), ...(verdict?.policies.flatMap(({ findings }) => findings) ?? [])];
  return { code, outcome: verdict?.outcome, codes: codes.map((finding) => finding.code), stderr };
}

/** Saves an image with all that hangs on it; the name of the copy. */
async function saved(name: string): Promise<string> {
  const layout = join(folder.path, `layout${images++}`);
  const { code, stderr } = await trust("save", name, layout);
  expect(code, stderr).toBe(0);
  return `oci-layout:${layout}`;
}

const cases = Object.entries(carriers).flatMap(([shape, carrier]) =>
  Object.entries(attacks)
    .filter(([, { onlyEnvelopes }]) => onlyEnvelopes !== true || shape.includes("bundle") || shape.includes(".att"))
    .map(([what, attack]) => [shape, what, carrier, attack] as const),
);

describe.each(Object.entries(carriers))("%s", (_shape, carrier) => {
  const plant = async (image: ReturnType<typeof parseReference>, subject: Descriptor, claims: readonly Claim[]) =>
    carrier.place(client, image, subject, claims);

  it("by the right key is accepted, in the registry and in a layout; duplicates are one signer", async () => {
    const { text, image, subject } = await newImage();
    const claim = await carrier.make({ subject, signer });
    await plant(image, subject, [claim, claim, claim]);
    const flags = typeFlags(carrier);
    expect(await judge(text, flags)).toMatchObject({ code: 0, outcome: "allow" });
    expect(await judge(await saved(text), flags)).toMatchObject({ code: 0, outcome: "allow" });
  });

  it("signed under the name of another repository is about the same digest", async () => {
    const { text, image, subject } = await newImage();
    await plant(image, subject, [await carrier.make({ subject, signer, name: "registry.example.com/other:9" })]);
    expect(await judge(text, typeFlags(carrier))).toMatchObject({ code: 0, outcome: "allow" });
  });

  it("counts as what it is: a signature is no attestation, an attestation no signature", async () => {
    const { text, image, subject } = await newImage();
    await plant(image, subject, [await carrier.make({ subject, signer })]);
    const other = carrier.kind === "signature" ? ["--type", predicateType] : [];
    expect(await judge(text, other)).toMatchObject({ code: 1, outcome: "deny" });
  });
});

describe.each(Object.entries(carriers).filter(([, { kind }]) => kind === "attestation"))("%s", (_shape, carrier) => {
  it.each(["https://example.com/wanted/v1", "https://sigstore.dev/cosign/sign/v1"])(
    "whose label says %s is of the type that was signed",
    async (lie) => {
      const { text, image, subject } = await newImage();
      const claim = await carrier.make({ subject, signer });
      const label = { predicateType: lie, "dev.sigstore.bundle.predicateType": lie };
      await carrier.place(client, image, subject, [{ ...claim, annotations: { ...claim.annotations, ...label } }]);
      expect(await judge(text, typeFlags(carrier))).toMatchObject({ code: 0, outcome: "allow" });
      expect(await judge(text, ["--type", lie])).toMatchObject({ code: 1 });
      expect(await judge(text, [])).toMatchObject({ code: 1, outcome: "deny" });
    },
  );
});

describe.each(cases)("%s: %s", (_shape, _what, carrier, attack) => {
  const plant = async (withGood: boolean) => {
    const { text, image, subject } = await newImage();
    const claims = await attack.claims(carrier, { subject, signer });
    const good = withGood ? [await carrier.make({ subject, signer })] : [];
    await carrier.place(client, image, subject, [...claims, ...good]);
    return text;
  };

  it("is refused and says why, in the registry and in a layout", async () => {
    const text = await plant(false);
    for (const name of [text, await saved(text)]) {
      const { code, outcome, codes } = await judge(name, typeFlags(carrier));
      expect([code, outcome]).toEqual([1, "deny"]);
      expect(
        codes.filter((found) => attack.code.test(found)),
        codes.join(),
      ).not.toEqual([]);
    }
  });

  it("hides no good one beside it", async () => {
    const text = await plant(true);
    for (const name of [text, await saved(text)])
      expect(await judge(name, typeFlags(carrier))).toMatchObject({ code: 0, outcome: "allow" });
  });
});

describe("lists", () => {
  const bundle = carriers["a bundle on the referrers API"] as Carrier;

  it("that name themselves, the image, and each other end, and hide nothing", async () => {
    const { text, image, subject } = await newImage();
    const indexOf = (manifests: readonly object[], more: object = {}) =>
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests, ...more }));
    const push = async (bytes: Buffer, tag?: string) => {
      const named = tag === undefined ? {} : { tag };
      const { descriptor } = await client.pushManifest(image, { bytes, mediaType: mediaTypes.imageIndex, ...named });
      return descriptor;
    };
    // A list cannot know its own digest, but the tag that it is under: each version lists the one before.
    const tag = referrersTag(subject.digest);
    const first = await push(indexOf([subject]), tag);
    const secondList = await push(indexOf([subject, first], { subject }), tag);
    await push(indexOf([secondList, first, subject, secondList], { subject }), tag);
    expect(await judge(text, [])).toMatchObject({ code: 1, outcome: "deny" });
    await bundle.place(client, image, subject, [await bundle.make({ subject, signer })]);
    for (const name of [text, `${await saved(text)}:1`])
      expect(await judge(name, [])).toMatchObject({ code: 0, outcome: "allow" });
  });
});

it("duplicates of one signature never make two signers", async () => {
  const policy = `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: both }
spec:
  images: [{ glob: "**" }]
  threshold: 2
  authorities:
    - { name: own, key: { file: own.pub } }
    - { name: second, key: { file: second.pub } }
`;
  writeFileSync(join(folder.path, "both.yaml"), policy);
  const { text, image, subject } = await newImage();
  const shapes = Object.values(carriers).filter(({ kind }) => kind === "signature");
  for (const { make, place } of shapes) {
    const claim = await make({ subject, signer });
    await place(client, image, subject, [claim, claim]);
  }
  expect(await trust("verify", "--policy", "both.yaml", text)).toMatchObject({ code: 1 });
  for (const { make, place } of shapes.slice(0, 1))
    await place(client, image, subject, [await make({ subject, signer: second })]);
  expect(await trust("verify", "--policy", "both.yaml", text)).toMatchObject({ code: 0 });
});

it("what cosign 2.5.0 wrote on referrers of its experimental mode is proved by its key alone", async () => {
  const fixtures = join(import.meta.dirname, "../fixtures");
  const { places, subject } = recordedPlaces(join(fixtures, "cosign2/oci-1-1"));
  const { bundles, findings, complete } = await cosign.find(places, subject);
  expect([bundles.length, findings, complete]).toEqual([2, [], true]);
  const keys = [parsePublicKey(readFileSync(join(fixtures, "cosign-keys/oci-1-1.pub"), "utf8"))];
  const proofs = await Promise.all(bundles.map((claim) => cosign.verify(claim, subject, { revision: "1", keys })));
  expect(proofs.map(({ kind, annotations }) => [kind, annotations["foo"]]).sort()).toEqual(
    [
      ["signature", undefined],
      ["signature", "bar"],
    ].sort(),
  );
  for (const claim of bundles)
    await expect(cosign.verify(claim, subject, trusting(signer))).rejects.toMatchObject({ code: "SIGNER_NOT_TRUSTED" });
});
