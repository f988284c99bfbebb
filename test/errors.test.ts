import { expect, test } from "vitest";
import { asTrustError, TrustError, toFinding } from "../src/errors.ts";

test("a bug says where it is, and nothing of what it was about", () => {
  const { code, found } = toFinding(new TypeError("token eyJhbGciOi is not good"));
  expect(code).toBe("INTERNAL");
  expect(found).toMatch(/^TypeError at .*errors\.test\.ts:\d+:\d+/);
  expect(found).not.toContain("eyJ");
  expect(found).not.toContain("/");
});

test("what is thrown and is no error says what it is", () => {
  expect(asTrustError("a secret").found).toBe("a thrown string");
  const bare = new Error("a secret");
  bare.stack = undefined as unknown as string;
  expect(asTrustError(bare).found).toBe("Error");
});

test("an error of ours stays as it is", () => {
  const error = new TrustError("USAGE", "wrong");
  expect(asTrustError(error)).toBe(error);
});
