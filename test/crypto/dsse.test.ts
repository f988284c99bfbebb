import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dssePae, formatDsseEnvelope, parseDsseEnvelope } from "../../src/crypto/dsse.ts";
import { TrustError } from "../../src/errors.ts";

const envelope = {
  payloadType: "application/vnd.in-toto+json",
  payload: Buffer.from("{}").toString("base64"),
  signatures: [{ sig: Buffer.from("signature").toString("base64"), keyid: "anything" }],
};
const parse = (value: unknown) => parseDsseEnvelope(Buffer.from(JSON.stringify(value) ?? ""));
const refused = expect.objectContaining({ code: "SIGNATURE_MALFORMED" });

describe("dssePae", () => {
  it("is the example of the specification", () => {
    expect(dssePae("http://example.com/HelloWorld", Buffer.from("hello world")).toString()).toBe(
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    );
  });

  it("counts bytes, not characters", () => {
    expect(dssePae("\u00e9", Buffer.from("\u00e9")).toString()).toBe("DSSEv1 2 \u00e9 2 \u00e9");
  });

  it("is different for every type and payload, wherever one ends and the other begins", () => {
    const text = fc.stringMatching(/^[ 0-9a]{0,6}$/);
    fc.assert(
      fc.property(text, text, text, text, (type, payload, otherType, otherPayload) => {
        fc.pre(type !== otherType || payload !== otherPayload);
        expect(dssePae(type, Buffer.from(payload)).equals(dssePae(otherType, Buffer.from(otherPayload)))).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatDsseEnvelope", () => {
  it.each([0, 1, 2, 3, 196_607, 196_608, 196_609, 1_000_000])(
    "writes %i bytes so that they are read again",
    (length) => {
      const payload = Buffer.alloc(length, "payload");
      const text = formatDsseEnvelope("a/b", payload, Buffer.from("signature"));
      expect(JSON.parse(text.toString())).toEqual({
        payload: payload.toString("base64"),
        payloadType: "a/b",
        signatures: [{ keyid: "", sig: Buffer.from("signature").toString("base64") }],
      });
      const read = parseDsseEnvelope(text);
      expect(read.payload.equals(payload)).toBe(true);
      expect(read.signed.equals(dssePae("a/b", payload))).toBe(true);
    },
  );
});

describe("parseDsseEnvelope", () => {
  it("reads a payload whose base64 is escaped, as some encoders do", () => {
    const text = '{"payloadType":"a","payload":"AA\\u003d\\u003d","signatures":[{"sig":"\\/\\/\\/\\/"}]}';
    expect(parseDsseEnvelope(Buffer.from(text)).payload).toEqual(Buffer.of(0));
  });

  it.each(["A", "AAA", "AB==", "A===", "====", "AA==AAAA", "=AAA", "AA=A"])("refuses the payload %j", (payload) => {
    expect(() => parse({ ...envelope, payload })).toThrow(refused);
  });

  it("decodes payload and signature", () => {
    const { payloadType, payload, signature, signed } = parse(envelope);
    expect([payloadType, payload.toString(), signature.toString()]).toEqual([envelope.payloadType, "{}", "signature"]);
    expect(signed).toEqual(dssePae(payloadType, payload));
  });

  it("reads an envelope without a key id, with an empty payload, with fields it does not know", () => {
    const signatures = [{ sig: "AAAA" }];
    expect(parse({ ...envelope, payload: "", signatures, extra: 1 }).payload.length).toBe(0);
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a list", [envelope]],
    ["a text", JSON.stringify(envelope)],
    ["no type", { ...envelope, payloadType: undefined }],
    ["an empty type", { ...envelope, payloadType: "" }],
    ["a type that is no text", { ...envelope, payloadType: ["a"] }],
    ["no payload", { ...envelope, payload: undefined }],
    ["a payload that is no text", { ...envelope, payload: {} }],
    ["a payload in URL base64", { ...envelope, payload: "_-__" }],
    ["a payload with line breaks", { ...envelope, payload: "AAAA\nAAAA" }],
    ["no signatures", { ...envelope, signatures: undefined }],
    ["signatures that are no list", { ...envelope, signatures: envelope.signatures[0] }],
    ["something like a list", { ...envelope, signatures: { 0: envelope.signatures[0], length: 1 } }],
    ["an empty list of signatures", { ...envelope, signatures: [] }],
    ["two signatures", { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] }],
    ["a signature that is null", { ...envelope, signatures: [null] }],
    ["a signature that is a text", { ...envelope, signatures: ["AAAA"] }],
    ["a signature without sig", { ...envelope, signatures: [{ keyid: "a" }] }],
    ["structure that nobody signed", { ...envelope, extra: Array.from({ length: 200_000 }, () => 1) }],
    ["a sig without padding", { ...envelope, signatures: [{ sig: "AA" }] }],
  ])("refuses %s", (_, value) => {
    expect(() => parse(value)).toThrow(refused);
  });

  it("throws nothing but its own error, whatever the value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (payloadType, payload, signatures) => {
        try {
          parse({ payloadType, payload, signatures });
        } catch (error) {
          expect(error).toBeInstanceOf(TrustError);
        }
      }),
    );
  });
});
