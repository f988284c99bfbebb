import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditImages, listImages } from "../src/audit.ts";
import { formats } from "../src/formats/index.ts";
import type { TrustPolicy } from "../src/policy/policy.ts";
import { signImage } from "../src/sign.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
const signer = newSigner();
beforeAll(async () => {
  stage = await openStage();
  for (const name of ["prod/app:1", "prod/app:2", "prod/web:1", "test/app:1"]) await stage.newImage(name);
  const { ref } = await stage.newImage("prod/app:1");
  await signImage(stage.registry, { image: ref, signer, formats, now: 0 });
});
afterAll(() => stage.close());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const names = async (prefix: string) =>
  (await all(listImages(stage.registry, stage.host, prefix))).map((name) => name.slice(stage.host.length + 1)).sort();

describe("what an audit lists", () => {
  it("is every tagged image, and no signature", async () => {
    expect(await names("")).toEqual(["prod/app:1", "prod/app:2", "prod/web:1", "test/app:1"]);
  });
  it("is what is below the prefix, not what only starts alike", async () => {
    expect(await names("prod")).toEqual(["prod/app:1", "prod/app:2", "prod/web:1"]);
    expect(await names("prod/app")).toEqual(["prod/app:1", "prod/app:2"]);
  });
  it("ends with an error where the prefix names nothing", async () => {
    await expect(names("pro")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });
});

describe("what an audit says", () => {
  it("comes in the order of the images, each judged", async () => {
    const policy: TrustPolicy = {
      name: "p",
      mode: "enforce",
      images: [{ glob: "**" }],
      exclude: [],
      match: [],
      authorities: [{ kind: "key", name: "release", keys: [signer.publicKey] }],
      threshold: 1,
      source: "test",
    };
    const images = (await names("prod")).map((name) => `${stage.host}/${name}`);
    const verdicts = await all(auditImages(stage.verifier([policy]), images, { concurrency: 2 }));
    expect(verdicts.map(({ image, outcome }) => [image, outcome])).toEqual(
      images.map((image, i) => [image, i === 0 ? "allow" : "deny"]),
    );
  });
});
