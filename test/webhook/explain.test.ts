import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/index.ts";
import { denialLine, denialMessage, errorMessage, evidenceAnnotation, warningsOf } from "../../webhook/explain.ts";
import { digest, findingOf, policy, trusted, unreachable, untrusted } from "../support/verdicts.ts";

const image = "registry.example.com/app:1";

describe("denialLine", () => {
  it("says image, code, policy, digest, expected, found and the next step", () => {
    expect(denialLine(untrusted(image))).toBe(
      `${image}: SIGNER_NOT_TRUSTED: policy production: told by a test (digest ${digest}, expected key ab, found key cd). ` +
        "Have the image signed by one of the authorities that the policy names; see who signed it with: trust tree IMAGE.",
    );
  });

  it("tells an outage from a judgement", () => {
    expect(denialLine(unreachable(image))).toContain("says nothing against the image");
    expect(denialLine(untrusted(image))).not.toContain("says nothing against the image");
  });

  it("puts what was in the way before what was found meanwhile", () => {
    const findings = [findingOf("NO_SIGNATURE"), findingOf("REGISTRY_ERROR")];
    const line = denialLine(trusted(image, { policies: [policy({ passed: false, findings })] }));
    expect(line).toMatch(/: REGISTRY_ERROR: .* Also: NO_SIGNATURE\.$/);
  });

  it("names in short the other authorities and policies that are not satisfied", () => {
    const unsigned = findingOf("SIGNER_NOT_TRUSTED");
    const findings = [{ ...unsigned, authority: "a" }, { ...unsigned, authority: "b" }, unsigned];
    const strict = policy({ name: "strict", passed: false, findings: [findingOf("NO_SIGNATURE")] });
    const line = denialLine(trusted(image, { policies: [policy({ passed: false, findings }), strict] }));
    expect(line).toMatch(/ Also: SIGNER_NOT_TRUSTED \(b\), policy strict NO_SIGNATURE\.$/);
  });

  it("names the policy that denies, not one that only warns", () => {
    const warned = policy({ name: "strict", mode: "warn", passed: false, findings: [findingOf("NO_SIGNATURE")] });
    const denied = policy({ passed: false, findings: [findingOf("SIGNER_NOT_TRUSTED")] });
    expect(denialLine(trusted(image, { policies: [warned, denied] }))).toContain(
      "SIGNER_NOT_TRUSTED: policy production",
    );
  });

  it("is one line of plain text whatever the names hold", () => {
    const nasty = untrusted("evil\r\nimage\u001b[31m\u202e\u2028x\ud800:1");
    expect(denialLine(nasty)).toMatch(/^evil image \[31m x :1: /u);
  });

  it("is bounded", () => {
    const findings = [findingOf("NO_SIGNATURE", { expected: "e".repeat(9999), found: "f".repeat(9999) })];
    const line = denialLine(trusted("i".repeat(5000), { policies: [policy({ passed: false, findings })] }));
    expect(line.length).toBeLessThanOrEqual(1024);
  });
});

describe("denialMessage", () => {
  it("has one line for each image and says how many more there are", () => {
    expect(denialMessage([untrusted("a:1"), untrusted("b:1")]).split("\n")).toHaveLength(2);
    const message = denialMessage(Array.from({ length: 2000 }, (_, index) => untrusted(`app${index}:1`)));
    expect(Buffer.byteLength(message)).toBeLessThan(9000);
    const lines = message.split("\n");
    expect(lines.at(-1)).toBe(`and ${2000 - (lines.length - 1)} more`);
  });
});

describe("warningsOf", () => {
  it("is about warned images only: few, short and ASCII", () => {
    const verdicts = [
      trusted("fine:1"),
      ...Array.from({ length: 30 }, () => untrusted(`bücher${"x".repeat(400)}`, "warn")),
    ];
    const warnings = warningsOf(verdicts);
    expect(warnings).toHaveLength(9);
    expect(warnings.at(-1)).toBe("and 22 more images");
    for (const warning of warnings) expect(warning).toMatch(/^[\x20-\x7e]{1,256}$/);
    expect(warningsOf([trusted("fine:1")])).toEqual([]);
  });

  it("says that a policy warns before saying that none enforces", () => {
    const verdict = trusted(image, {
      ...untrusted(image, "warn"),
      decidedAt: 0,
      validUntil: undefined,
      noMatch: "allow",
    });
    expect(warningsOf([verdict])[0]).toContain("SIGNER_NOT_TRUSTED");
  });
});

describe("evidenceAnnotation", () => {
  it("stays JSON when it is cut short", () => {
    const annotation = evidenceAnnotation(Array.from({ length: 500 }, (_, index) => untrusted(`app${index}:1`)));
    expect(annotation.length).toBeLessThan(9000);
    const items = JSON.parse(annotation) as { image?: string; more?: number }[];
    expect(items.at(-1)?.more).toBe(500 - (items.length - 1));
  });
});

describe("errorMessage", () => {
  it("gives code, expected, found and the next step", () => {
    const error = new TrustError("OBJECT_UNSUPPORTED", "no\nPod template", { expected: "Pod", found: "Widget" });
    expect(errorMessage(error)).toMatch(/^OBJECT_UNSUPPORTED: no Pod template \(expected Pod, found Widget\)\. Send /);
  });
});
