import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createPasswordSource, type PasswordPlaces, type PasswordRequest } from "../../src/keys/password.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("trust-password");
afterAll(() => folder.cleanup());

const request: PasswordRequest = { what: "key file a.key" };
const passwordFrom = async (places: PasswordPlaces, asked = request) =>
  Buffer.from(await createPasswordSource(places)(asked)).toString();

function passwordFile(content: string): string {
  const path = join(folder.path, "password");
  writeFileSync(path, content);
  return path;
}

describe("a password", () => {
  test("comes from TRUST_PASSWORD before COSIGN_PASSWORD, and may be empty", async () => {
    expect(await passwordFrom({ env: { TRUST_PASSWORD: "t", COSIGN_PASSWORD: "c" } })).toBe("t");
    expect(await passwordFrom({ env: { COSIGN_PASSWORD: "c" } })).toBe("c");
    expect(await passwordFrom({ env: { TRUST_PASSWORD: "", COSIGN_PASSWORD: "c" } })).toBe("");
  });

  test("comes from the file that was named rather than from the environment", async () => {
    expect(await passwordFrom({ env: { TRUST_PASSWORD: "t" }, file: passwordFile("from file\n") })).toBe("from file");
  });

  test.each([
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    ["secret", "secret"],
    ["secret\n\n", "secret\n"],
    [" secret ", " secret "],
    ["\n", ""],
    ["", ""],
    ["gehëim\n", "gehëim"],
  ])("in a file holding %j is %j", async (content, password) => {
    expect(await passwordFrom({ env: {}, file: passwordFile(content) })).toBe(password);
  });

  test("is asked for once to open, twice to choose", async () => {
    const questions: string[] = [];
    const prompt = async (question: string) => {
      questions.push(question);
      return "typed";
    };
    expect(await passwordFrom({ env: {}, prompt })).toBe("typed");
    expect(questions).toHaveLength(1);
    expect(await passwordFrom({ env: {}, prompt }, { ...request, isNew: true })).toBe("typed");
    expect(questions).toHaveLength(3);
  });

  test("that is chosen and mistyped is refused", async () => {
    const answers = ["one", "two"];
    const source = createPasswordSource({ env: {}, prompt: async () => answers.shift() ?? "" });
    expect(await codeOfRejection(source({ ...request, isNew: true }))).toBe("KEY_PASSWORD_WRONG");
  });

  test("that can come from nowhere is a typed error", async () => {
    expect(await codeOfRejection(createPasswordSource({ env: {} })(request))).toBe("KEY_PASSWORD_REQUIRED");
  });

  test("whose file is missing is not asked for elsewhere", async () => {
    const source = createPasswordSource({ env: { TRUST_PASSWORD: "t" }, file: join(folder.path, "none") });
    expect(await codeOfRejection(source(request))).toBe("FILE_NOT_FOUND");
  });
});
