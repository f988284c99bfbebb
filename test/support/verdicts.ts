import {
  type Digest,
  type Finding,
  type PolicyResult,
  TrustError,
  toFinding,
  type Verdict,
  verdictOf,
} from "../../src/index.ts";

export const digest: Digest = `sha256:${"a".repeat(64)}`;
const evidence: Digest = `sha256:${"e".repeat(64)}`;

/** A policy result as the verifier makes them. */
export function policy(result: Partial<PolicyResult> = {}): PolicyResult {
  const satisfied = { authority: "release", signer: { kind: "key", keyId: "ab" }, evidence } as const;
  const base: PolicyResult = {
    name: "production",
    mode: "enforce",
    passed: true,
    satisfiedBy: [satisfied],
    findings: [],
  };
  return { ...base, ...(result.passed === false ? { satisfiedBy: [] } : {}), ...result };
}

export function findingOf(code: Finding["code"], details: { expected?: string; found?: string } = {}): Finding {
  return toFinding(new TrustError(code, "told by a test", details));
}

/** A verdict of an image that one enforcing policy trusts. */
export function trusted(image: string, facts: Partial<Parameters<typeof verdictOf>[0]> = {}): Verdict {
  return verdictOf({ image, digest, decidedAt: 0, policies: [policy()], ...facts });
}

/** A verdict of an image that the policy of that mode does not trust. */
export function untrusted(image: string, mode: PolicyResult["mode"] = "enforce"): Verdict {
  const finding = findingOf("SIGNER_NOT_TRUSTED", { expected: "key ab", found: "key cd" });
  return trusted(image, { policies: [policy({ mode, passed: false, findings: [finding] })] });
}

/** A verdict of an image whose registry does not answer. */
export function unreachable(image: string): Verdict {
  return verdictOf({
    image,
    decidedAt: 0,
    policies: [policy({ passed: false })],
    failure: findingOf("REGISTRY_UNREACHABLE"),
  });
}
