import { describe, expect, it } from "vitest";
import { readIdentityToken, withoutTokens } from "../../src/keys/identity-token.ts";
import { codeOf, errorOf } from "../support/errors.ts";

const now = Date.UTC(2026, 0, 1);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const tokenOf = (claims: unknown) => `${part({ alg: "ES256" })}.${part(claims)}.c2lnbmF0dXJl`;
const good = { iss: "https://issuer.example.com", sub: "someone", exp: now / 1000 + 600 };

describe("an identity token", () => {
  it("is for the verified address, else for the subject, and may end in a newline", () => {
    expect(readIdentityToken(`${tokenOf(good)}\n`, now)).toEqual({
      text: tokenOf(good),
      issuer: good.iss,
      subject: "someone",
      expires: good.exp * 1000,
    });
    const withEmail = { ...good, email: "a@example.com", email_verified: true };
    expect(readIdentityToken(tokenOf(withEmail), now).subject).toBe("a@example.com");
  });

  it.each([
    ["expired", { ...good, exp: now / 1000 }],
    ["without an end", { ...good, exp: undefined }],
    ["with an end that is text", { ...good, exp: "2099" }],
    ["without an issuer", { ...good, iss: "" }],
    ["without a subject", { ...good, sub: undefined }],
    ["with an address that nobody verified", { ...good, email: "a@example.com" }],
    ["that is no object", [good]],
    ["that is text", "text"],
  ])("is refused %s", (_case, claims) => {
    expect(codeOf(() => readIdentityToken(tokenOf(claims), now))).toBe("IDENTITY_TOKEN_INVALID");
  });

  it.each(["", "a.b", "a.b.c.d", "a b.c.d", `${tokenOf(good)}.`, "..", `${"a".repeat(70_000)}.b.c`, "e30.e30"])(
    "is refused where it is none: %#",
    (text) => {
      expect(codeOf(() => readIdentityToken(text, now))).toBe("IDENTITY_TOKEN_INVALID");
    },
  );

  it("is in no error, nor in the cause of one", () => {
    for (const claims of [{ ...good, exp: 1, secret: "sssecret" }, '{"sssecret', { ...good, email: "sssecret@x" }]) {
      const token = tokenOf(claims);
      const error = errorOf(() => readIdentityToken(token, now));
      const all = JSON.stringify([error.message, error.expected, error.found, error.hint, String(error.cause)]);
      for (const secret of ["sssecret", ...token.split(".")]) expect(all).not.toContain(secret);
    }
  });

  it("is taken out of what services say, whole or in parts", () => {
    const token = tokenOf(good);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const said = withoutTokens(
      `bad ${token}; ${payload} and ${signature} of ${header}, eyJhbGciOiJub25lIn0.e30.x`,
      token,
    );
    for (const secret of [header, payload, signature, "eyJhbGciOiJub25lIn0"]) expect(said).not.toContain(secret);
    expect(said).toMatch(/^bad \[token\]/);
  });
});
