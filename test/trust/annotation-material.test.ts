import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { materialAnnotations, parseAnnotationMaterial } from "../../src/trust/annotation-material.ts";
import { codeOf } from "../support/errors.ts";
import { issue, pemOf } from "../support/x509.ts";

const manifest = readFileSync(new URL("../fixtures/sigstore/cosign2-keyless-manifest.json", import.meta.url), "utf8");
const { annotations } = JSON.parse(manifest).layers[0];
const bundle = JSON.parse(annotations[materialAnnotations.bundle]);
// biome-ignore lint/suspicious/noExplicitAny: tests change fields of any shape
const withBundle = (change: (bundle: any) => unknown) => {
  const changed = structuredClone(bundle);
  change(changed);
  return { ...annotations, [materialAnnotations.bundle]: JSON.stringify(changed) };
};

describe("parseAnnotationMaterial", () => {
  it("reads certificate, intermediates and entry of cosign, and leaves the root out", () => {
    const material = parseAnnotationMaterial(annotations);
    expect(material.leaf?.subjectAlternativeNames).toMatchObject([{ value: "alice@example.com" }]);
    expect(material.intermediates.map(({ subject }) => subject.text)).toEqual([
      expect.stringContaining("intermediate"),
    ]);
    expect(material.entries).toMatchObject([
      { logIndex: BigInt(bundle.Payload.logIndex), integratedTime: bundle.Payload.integratedTime },
    ]);
    expect(material.timestamps).toEqual([]);
  });

  it("reads nothing where there is nothing", () => {
    expect(parseAnnotationMaterial({})).toEqual({ intermediates: [], entries: [], timestamps: [] });
    expect(parseAnnotationMaterial({ [materialAnnotations.certificate]: "" }).leaf).toBeUndefined();
  });

  it("reads a timestamp", () => {
    const text = JSON.stringify({ SignedRFC3161Timestamp: "AAAA" });
    expect(parseAnnotationMaterial({ [materialAnnotations.timestamp]: text }).timestamps).toEqual([Buffer.alloc(3)]);
  });

  it.each([
    ["two certificates", { [materialAnnotations.certificate]: pemOf(issue(), issue()) }, "SIGNATURE_MALFORMED"],
    ["what is no certificate", { [materialAnnotations.certificate]: "certificate" }, "CERTIFICATE_INVALID"],
    [
      "a chain with a key in it",
      { [materialAnnotations.chain]: pemOf(issue()).replaceAll("CERTIFICATE", "PUBLIC KEY") },
      "CERTIFICATE_INVALID",
    ],
    ["what is no JSON", { [materialAnnotations.bundle]: "{" }, "SIGNATURE_MALFORMED"],
    [
      "a key twice",
      { [materialAnnotations.bundle]: annotations[materialAnnotations.bundle].replace("{", '{"Payload":{},') },
      "SIGNATURE_MALFORMED",
    ],
    ["a list", { [materialAnnotations.bundle]: "[]" }, "SIGNATURE_MALFORMED"],
    ["null", { [materialAnnotations.bundle]: "null" }, "SIGNATURE_MALFORMED"],
    ["no promise", withBundle((one) => delete one.SignedEntryTimestamp), "SIGNATURE_MALFORMED"],
    ["no payload", withBundle((one) => delete one.Payload), "SIGNATURE_MALFORMED"],
    ["no time", withBundle(({ Payload }) => delete Payload.integratedTime), "SIGNATURE_MALFORMED"],
    [
      "a time with a fraction",
      withBundle(({ Payload }) => Object.assign(Payload, { integratedTime: 1.5 })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a negative time",
      withBundle(({ Payload }) => Object.assign(Payload, { integratedTime: -1 })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a time beyond all dates",
      withBundle(({ Payload }) => Object.assign(Payload, { integratedTime: 2 ** 52 })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "an index that is rounded",
      withBundle(({ Payload }) => Object.assign(Payload, { logIndex: 2 ** 53 })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a log id in capitals",
      withBundle(({ Payload }) => Object.assign(Payload, { logID: "AB" })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a log id in base64",
      withBundle(({ Payload }) => Object.assign(Payload, { logID: "l03P=" })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a body that is not base64",
      withBundle(({ Payload }) => Object.assign(Payload, { body: "{}" })),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a timestamp that is not base64",
      { [materialAnnotations.timestamp]: '{"SignedRFC3161Timestamp":"-"}' },
      "SIGNATURE_MALFORMED",
    ],
    ["a megabyte", { [materialAnnotations.bundle]: " ".repeat(1_000_000) }, "SIGNATURE_MALFORMED"],
  ])("refuses %s", (_, changed, code) => {
    expect(codeOf(() => parseAnnotationMaterial({ ...annotations, ...changed }))).toBe(code);
  });

  it("takes nothing from an object's prototype", () => {
    const inherited = Object.create({ [materialAnnotations.certificate]: "certificate" });
    expect(parseAnnotationMaterial(inherited).leaf).toBeUndefined();
  });
});
