import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { parseMirrorPlace, placesOf, withMirrors } from "../../src/oci/mirrors.ts";
import { formatRepository, parseReference, parseRepository } from "../../src/oci/reference.ts";
import type { Registry } from "../../src/oci/registry.ts";

const subject = digestOf(Buffer.from("image"));
const mirrors = [
  { from: "r.example.com", to: "far.example.com/cache" },
  { from: "r.example.com/team", to: "one.example.com" },
  { from: "r.example.com/team", to: "two.example.com/x/y" },
];
const places = (name: string) => placesOf(mirrors, parseRepository(name)).map(formatRepository);

describe("the places of an image", () => {
  it.each([
    ["r.example.com/app", ["far.example.com/cache/app", "r.example.com/app"]],
    ["r.example.com/teams/app", ["far.example.com/cache/teams/app", "r.example.com/teams/app"]],
    ["r.example.com/team/app", ["one.example.com/app", "two.example.com/x/y/app", "r.example.com/team/app"]],
    ["r.example.com:5000/app", ["r.example.com:5000/app"]],
    ["r.example.company/app", ["r.example.company/app"]],
  ])("%s: the longest prefix, in order, then the original", (name, expected) => {
    expect(places(name)).toEqual(expected);
  });
  it.each([
    ["Index.docker.io", "docker.io"],
    ["r.example.com:443/a/b", "r.example.com/a/b"],
  ])("are canonical: %s is %s", (text, expected) => {
    expect(parseMirrorPlace(text)).toBe(expected);
  });
  it.each(["", "app", "r.example.com/", "r.example.com/App", "https://r.example.com", "r.example.com/a:1"])(
    "are not %j",
    (text) => {
      expect(() => parseMirrorPlace(text)).toThrow(TrustError);
    },
  );
});

type Answer = "has" | "missing" | "down";

/** A registry whose hosts answer as told, and who was asked. */
function hosts(answers: Readonly<Record<string, Answer>>) {
  const asked: string[] = [];
  const at = (registry: string) => {
    asked.push(registry);
    const answer = answers[registry] ?? "missing";
    if (answer === "down") throw new TrustError("REGISTRY_UNREACHABLE", registry);
    return answer === "has";
  };
  const descriptor = { mediaType: "x", digest: subject, size: 1 };
  const registry = {
    async resolve({ registry }) {
      if (at(registry)) return descriptor;
      throw new TrustError("IMAGE_NOT_FOUND", registry);
    },
    async listReferrers({ registry }) {
      return { supported: true, descriptors: at(registry) ? [descriptor] : [], complete: true };
    },
  } as Partial<Registry> as Registry;
  return { asked, mirrored: withMirrors(registry, mirrors) };
}

const ref = parseReference("r.example.com/team/app:1");
const [one, two, own] = ["one.example.com", "two.example.com", "r.example.com"];

describe("reading through mirrors", () => {
  it.each([
    ["the first that has it answers", { [one]: "has", [own]: "has" }, "found", [one]],
    ["one that lacks it is passed over", { [two]: "has" }, "found", [one, two]],
    ["one that is down is passed over", { [one]: "down", [own]: "has" }, "found", [one, two, own]],
    ["what nobody has is missing", {}, "IMAGE_NOT_FOUND", [one, two, own]],
    ["what one could not say is not known to be missing", { [two]: "down" }, "REGISTRY_UNREACHABLE", [one, two, own]],
    ["nor if that one is the original", { [own]: "down" }, "REGISTRY_UNREACHABLE", [one, two, own]],
  ] as const)("%s", async (_name, answers, expected, order) => {
    const { asked, mirrored } = hosts(answers);
    const found = await mirrored.resolve(ref).then(
      () => "found",
      (error: unknown) => (error as TrustError).code,
    );
    expect(found).toBe(expected);
    expect(asked).toEqual(order);
  });

  it("takes an empty list of signatures for no last word", async () => {
    const { asked, mirrored } = hosts({ [own]: "has" });
    expect((await mirrored.listReferrers(ref, subject, 1)).descriptors).toHaveLength(1);
    expect(asked).toEqual([one, two, own]);
    expect((await hosts({}).mirrored.listReferrers(ref, subject, 1)).descriptors).toEqual([]);
    await expect(hosts({ [own]: "down" }).mirrored.listReferrers(ref, subject, 1)).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });

  it("asks nobody else when the caller has given up", async () => {
    const { asked, mirrored } = hosts({ [one]: "down" });
    await expect(mirrored.resolve(ref, { signal: AbortSignal.abort() })).rejects.toThrow(TrustError);
    expect(asked).toEqual([one]);
  });
});
