import { describe, expect, it } from "vitest";
import type { Verdict } from "../../src/index.ts";
import { type AdmissionSettings, decide, type Question } from "../../webhook/decide.ts";
import { digest, findingOf, policy, trusted, unreachable, untrusted } from "../support/verdicts.ts";

const tag = "registry.example.com/app:1";
const pinned = `${tag}@${digest}`;
const pin: AdmissionSettings = { digest: "pin", pin: "all", unpinned: "deny" };

function ask(verdicts: readonly Verdict[], question: Partial<Question> = {}) {
  const images = verdicts.map(({ image }, index) => ({ path: `/spec/containers/${index}/image`, image }));
  const asked: Question = {
    route: "validate",
    images,
    isTemplate: false,
    verdicts: new Map(verdicts.map((verdict) => [verdict.image, verdict])),
    settings: pin,
    ...question,
  };
  const decision = decide(asked);
  const { patch } = decision.response;
  const operations = patch === undefined ? [] : JSON.parse(Buffer.from(patch, "base64").toString());
  return { ...decision, operations };
}

function codesOf(verdicts: readonly Verdict[]) {
  return verdicts.flatMap((verdict) => verdict.findings.map((finding) => finding.code));
}

describe("decide", () => {
  it("allows what is trusted and pinned", () => {
    const { response, outcome } = ask([trusted(pinned)]);
    expect(response).toEqual({ allowed: true, auditAnnotations: expect.any(Object) });
    expect(outcome).toBe("allow");
  });

  it("refuses the object for one image that is denied, and names only that one", () => {
    const { response, outcome } = ask([trusted(pinned), untrusted(`other@${digest}`)]);
    expect(response).toMatchObject({ allowed: false, status: { code: 403, reason: "Forbidden" } });
    expect(response.status?.message).toMatch(/^other@sha256:a+: SIGNER_NOT_TRUSTED: .*expected key ab, found key cd/);
    expect(response.status?.message.split("\n")).toHaveLength(1);
    expect(outcome).toBe("deny");
  });

  it.each(["validate", "mutate"] as const)("denies on /%s what cannot be verified now", (route) => {
    const { response } = ask([unreachable(pinned)], { route });
    expect(response.allowed).toBe(false);
    expect(response.patch).toBeUndefined();
    expect(response.status?.message).toContain("REGISTRY_UNREACHABLE");
    expect(response.status).toMatchObject({ code: 503, reason: "ServiceUnavailable" });
  });

  it("forbids where one image is refused and another cannot be verified now", () => {
    const { response } = ask([unreachable(pinned), untrusted(`other@${digest}`)]);
    expect(response.status).toMatchObject({ code: 403, reason: "Forbidden" });
  });

  it("denies an image that has no verdict", () => {
    const { response } = ask([trusted(pinned)], { verdicts: new Map() });
    expect(response).toMatchObject({ allowed: false });
    expect(response.status?.message).toContain("INTERNAL");
  });

  it("denies where the verdict is about another digest than the name says", () => {
    const other = `${tag}@sha256:${"b".repeat(64)}`;
    const { response, verdicts } = ask([trusted(other)]);
    expect(response.allowed).toBe(false);
    expect(codesOf(verdicts)).toContain("DIGEST_MISMATCH");
  });

  describe("with digest: pin", () => {
    it("writes exactly the verified digest behind the name, wherever the name stands", () => {
      const images = ["/spec/initContainers/0/image", "/spec/containers/0/image"].map((path) => ({ path, image: tag }));
      const { response, operations } = ask([trusted(tag)], { route: "mutate", images });
      expect(response).toMatchObject({ allowed: true, patchType: "JSONPatch" });
      expect(operations).toEqual(images.map(({ path }) => ({ op: "replace", path, value: pinned })));
    });

    it("keeps the name as it was written", () => {
      const { operations } = ask([trusted("nginx")], { route: "mutate" });
      expect(operations).toMatchObject([{ value: `nginx@${digest}` }]);
    });

    it("patches nothing that is pinned", () => {
      const { response } = ask([trusted(pinned)], { route: "mutate" });
      expect(response).not.toHaveProperty("patch");
      expect(response).not.toHaveProperty("patchType");
    });

    it("patches nothing on /validate, and refuses what is still a tag", () => {
      const { response, verdicts } = ask([trusted(tag)]);
      expect(response).toMatchObject({ allowed: false, status: { code: 403 } });
      expect(response).not.toHaveProperty("patch");
      expect(codesOf(verdicts)).toEqual(["IMAGE_UNPINNED"]);
    });

    it.each(["validate", "mutate"] as const)("leaves templates alone on /%s with pin: pods", (route) => {
      const settings: AdmissionSettings = { ...pin, pin: "pods" };
      const { response } = ask([trusted(tag)], { route, settings, isTemplate: true });
      expect(response).toMatchObject({ allowed: true });
      expect(response).not.toHaveProperty("patch");
      expect(ask([untrusted(tag)], { route, settings, isTemplate: true }).response.allowed).toBe(false);
    });

    it("pins Pods with pin: pods", () => {
      const settings: AdmissionSettings = { ...pin, pin: "pods" };
      expect(ask([trusted(tag)], { route: "mutate", settings }).operations).toHaveLength(1);
      expect(ask([trusted(tag)], { settings }).response.allowed).toBe(false);
    });

    it.each(["validate", "mutate"] as const)("neither pins nor refuses on /%s what no policy enforces", (route) => {
      const exempt = trusted(tag, { digest: undefined, exempt: true });
      const free = trusted(tag, { digest: undefined, policies: [], noMatch: "allow" });
      const watched = { ...untrusted(tag, "audit"), outcome: "allow" } as const;
      for (const verdict of [exempt, free, watched])
        expect(ask([verdict], { route }).response).toEqual({ allowed: true, auditAnnotations: expect.any(Object) });
    });

    it.each(["validate", "mutate"] as const)(
      "neither pins nor refuses on /%s what is exempt and only watched",
      (route) => {
        const exempt = policy({ satisfiedBy: [] });
        const watching = policy({ name: "watch", mode: "audit", passed: false, findings: [findingOf("NO_SIGNATURE")] });
        for (const settings of [pin, { ...pin, digest: "verify-only" } as const]) {
          const { response } = ask([trusted(tag, { policies: [exempt, watching] })], { route, settings });
          expect(response).toEqual({ allowed: true, auditAnnotations: expect.any(Object) });
        }
      },
    );

    it("pins what one policy trusts and another warns about", () => {
      const warned = policy({ name: "strict", mode: "warn", passed: false, findings: [findingOf("NO_SIGNATURE")] });
      const verdict = trusted(tag, { policies: [policy(), warned] });
      expect(ask([verdict], { route: "mutate" }).operations).toMatchObject([{ value: pinned }]);
      expect(ask([verdict]).response.allowed).toBe(false);
    });
  });

  describe("with digest: verify-only", () => {
    const settings: AdmissionSettings = { digest: "verify-only", pin: "all", unpinned: "deny" };

    it.each(["validate", "mutate"] as const)("refuses a tag on /%s", (route) => {
      expect(ask([trusted(tag)], { route, settings }).response.allowed).toBe(false);
    });

    it.each(["validate", "mutate"] as const)("lets a tag pass on /%s with unpinned: allow, and says so", (route) => {
      const { response, outcome, verdicts } = ask([trusted(tag)], {
        route,
        settings: { ...settings, unpinned: "allow" },
      });
      expect(response).toMatchObject({ allowed: true, warnings: [expect.stringContaining("IMAGE_UNPINNED")] });
      expect(response).not.toHaveProperty("patch");
      expect(outcome).toBe("warn");
      expect(verdicts[0]).toMatchObject({ outcome: "warn", status: "trusted", unsafe: [expect.any(String)] });
    });

    it("still refuses what is not trusted", () => {
      const { response } = ask([untrusted(tag)], { settings: { ...settings, unpinned: "allow" } });
      expect(response.allowed).toBe(false);
    });
  });

  it("warns of what only a warning policy refuses", () => {
    const { response, outcome } = ask([untrusted(pinned, "warn")]);
    expect(response).toMatchObject({ allowed: true, warnings: [expect.stringContaining("SIGNER_NOT_TRUSTED")] });
    expect(outcome).toBe("warn");
  });

  it("hands the evidence to the audit log", () => {
    const { response } = ask([trusted(pinned), untrusted(`other@${digest}`)]);
    expect(JSON.parse(response.auditAnnotations?.["verdicts"] ?? "")).toEqual([
      expect.objectContaining({ image: pinned, digest, outcome: "allow", codes: [], policies: ["production"] }),
      expect.objectContaining({ outcome: "deny", codes: ["SIGNER_NOT_TRUSTED"] }),
    ]);
  });
});
