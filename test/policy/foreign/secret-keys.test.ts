import { describe, expect, it } from "vitest";
import { TrustError } from "../../../src/errors.ts";
import { parsePolicyDocument } from "../../../src/policy/parse.ts";
import type { SecretEntry } from "../../../src/policy/secret-keys.ts";
import { imagePolicy, pem } from "../../support/foreign.ts";
import { newSigner } from "../../support/signers.ts";

const alice = newSigner();
const beside = { name: "beside", key: { data: pem(newSigner()) } };

async function load(secretRef: object, text?: string) {
  const asked: SecretEntry[] = [];
  const readSecret = async (secret: SecretEntry): Promise<string> => {
    asked.push(secret);
    if (text === undefined) throw new TrustError("SECRET_UNUSABLE", "there is no such Secret");
    return text;
  };
  const policy: unknown = JSON.parse(JSON.stringify(imagePolicy({ authorities: [{ key: { secretRef } }, beside] })));
  const { policies, warnings = [], problems } = await parsePolicyDocument(policy, { readSecret });
  expect(problems).toEqual([]);
  const [{ authorities = [], unusable = [] } = {}] = policies;
  return {
    authorities: authorities.map(({ name }) => name),
    unusable,
    asked,
    warnings: warnings.map(({ what }) => what),
  };
}

describe("a key of a ClusterImagePolicy in a Secret", () => {
  it("is the only entry of the Secret, in the namespace of the program", async () => {
    const { authorities, asked, warnings } = await load({ name: "keys" }, pem(alice));
    expect(authorities).toEqual(["authority-0", "beside"]);
    expect(asked).toEqual([{ name: "keys" }]);
    expect(warnings).toEqual([]);
  });

  it("is not looked for in the namespace that the policy names, and that is said", async () => {
    const { authorities, asked, warnings } = await load({ name: "keys", namespace: "ci" }, pem(alice));
    expect(authorities).toEqual(["authority-0", "beside"]);
    expect(asked).toEqual([{ name: "keys" }]);
    expect(warnings).toEqual([expect.stringContaining("secretRef.namespace is not looked at")]);
  });

  it.each<[string, object, string | undefined, RegExp]>([
    ["is not there", { name: "keys" }, undefined, /no such Secret/],
    ["holds no key", { name: "keys" }, "hunter2", /no PEM/],
    ["has no name", {}, pem(alice), /no name/],
  ])("that %s leaves its authority unsatisfied, and the others as they are", async (_, secretRef, text, words) => {
    const { authorities, unusable, warnings } = await load(secretRef, text);
    expect(authorities).toEqual(["beside"]);
    expect(unusable).toMatchObject([{ name: "authority-0", reason: expect.stringMatching(words) }]);
    expect(warnings).toEqual([expect.stringMatching(words)]);
  });
});
