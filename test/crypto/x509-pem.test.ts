import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCertificates } from "../../src/crypto/x509-pem.ts";
import { codeOf } from "../support/errors.ts";
import { issue, pemOf } from "../support/x509.ts";

const one = issue({ subject: "one" });
const two = issue({ subject: "two" });
const pem = pemOf(one, two);
const subjectsOf = (text: string) => parseCertificates(text).map(({ subject }) => subject.text);

describe("certificates in PEM", () => {
  it("are read in order, whatever stands between them and however lines end", () => {
    expect(subjectsOf(pem)).toEqual(["CN=one", "CN=two"]);
    expect(
      subjectsOf(`subject=one\n${pem.replace(/\n-----BEGIN/, "\n\nissuer: two -- below\n-----BEGIN")}\n`),
    ).toHaveLength(2);
    expect(subjectsOf(pem.replaceAll("\n", "\r\n"))).toHaveLength(2);
    expect(subjectsOf(pem.replaceAll("\n", " \n"))).toHaveLength(2);
  });

  it("are read as openssl wrote them", () => {
    const text = readFileSync(join(import.meta.dirname, "../fixtures/x509/own-ca/int.crt"), "utf8");
    expect(subjectsOf(text)).toEqual(["O=Test, CN=Test Intermediate"]);
  });

  const wrong: Readonly<Record<string, string>> = {
    nothing: "",
    "text without a block": "certificate",
    "a block that does not end": `${pem}-----BEGIN CERTIFICATE-----\nMIIB`,
    "a block whose end has another label": pemOf(one).replace("END CERTIFICATE", "END PUBLIC KEY"),
    "a private key beside a certificate": `${pem}-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n`,
    "a trusted certificate of openssl": pemOf(one).replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE"),
    "an empty block": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "a character that is not base64": pemOf(one).replace("M", "*"),
    "headers inside the block": pemOf(one).replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n"),
    "a byte missing": pemOf({ der: one.der.subarray(0, -1) }),
    "two certificates in one block": pemOf({ der: Buffer.concat([one.der, two.der]) }),
    "more text than is read": pem + " ".repeat(4 * 1024 * 1024),
  };
  it.each(Object.entries(wrong))("are refused with %s", (_, text) => {
    expect(codeOf(() => parseCertificates(text))).toBe("CERTIFICATE_INVALID");
  });

  it("never repeat the text in an error", () => {
    const secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    try {
      parseCertificates(secret);
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify({ ...(error as Error), message: (error as Error).message })).not.toContain("c2VjcmV0");
    }
  });

  it("are read or refused, whatever is done to the text", () => {
    fc.assert(
      fc.property(fc.nat(pem.length), fc.nat(80), fc.string({ maxLength: 40 }), (at, cut, text) => {
        expect([undefined, "CERTIFICATE_INVALID"]).toContain(
          codeOf(() => parseCertificates(pem.slice(0, at) + text + pem.slice(at + cut))),
        );
      }),
    );
  });
});
