import { describe, expect, it } from "vitest";
import type { Output } from "../../src/cli/io.ts";
import { formatVerdict } from "../../src/cli/print-verdict.ts";
import type { PolicyResult } from "../../src/index.ts";
import { digest, findingOf, policy, trusted } from "../support/verdicts.ts";

const output: Output = { write() {}, isTerminal: false, hasColors: false };
const shown = (result: Partial<PolicyResult>) =>
  formatVerdict(output, trusted("app:1", { policies: [policy(result)] }));

describe("a verdict on the terminal", () => {
  it("says who signed and who attested what", () => {
    const signer = { kind: "key", keyId: "ab" } as const;
    const text = shown({
      satisfiedBy: [
        { authority: "release", signer, evidence: digest },
        { authority: "ci", attestation: "provenance", signer, evidence: digest },
      ],
    });
    expect(text).toContain("production passed: signed by release (key ab); provenance attested by ci (key ab)");
  });

  it("says what let it pass without being trusted, and why it is not", () => {
    const exception = { name: "incident", reason: "incident 4711", expires: "2026-12-01T00:00:00.000Z" };
    const excepted = shown({ satisfiedBy: [], exception, findings: [findingOf("NO_SIGNATURE")] });
    expect(excepted).toContain("allow, exempt");
    expect(excepted).toContain("production passed by the exception incident");
    expect(excepted).toContain("NO_SIGNATURE");
    expect(excepted).toMatch(/unsafe .*incident 4711/);
    const open = shown({ satisfiedBy: [], static: { authority: "legacy", message: "until the move" } });
    expect(open).toContain("allow, static");
    expect(open).toContain("production passed by the static authority legacy");
    expect(open).toMatch(/unsafe .*until the move/);
  });
});
