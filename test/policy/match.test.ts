import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { isMatchedByEnforcingClusterPolicy, matchPolicies } from "../../src/policy/match.ts";
import type { LabelExpression, LabelSelector, ObjectContext, PolicySet, TrustPolicy } from "../../src/policy/policy.ts";

const key = toPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey);
const digest = `sha256:${"a".repeat(64)}`;

function policy(changes: Partial<TrustPolicy>): TrustPolicy {
  return {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "a", keys: [key] }],
    threshold: 1,
    source: "test:1:1",
    ...changes,
  };
}

function object(changes: Partial<ObjectContext> = {}): ObjectContext {
  return { apiGroup: "apps", resource: "deployments", namespace: "prod", labels: { tier: "web" }, ...changes };
}

function matched(changes: Partial<TrustPolicy>, image: string, context?: ObjectContext): boolean {
  const set: PolicySet = { policies: [policy(changes)], revision: "1" };
  return matchPolicies(set, parseReference(image), context).length === 1;
}

describe("images", () => {
  it("are matched by the canonical name, however they are written", () => {
    const hub = { images: [{ glob: "docker.io/library/nginx" }] } as const;
    for (const image of ["nginx", "docker.io/nginx", "index.docker.io/library/nginx:1", "registry-1.docker.io/nginx"])
      expect(matched(hub, image)).toBe(true);
    const own = { images: [{ glob: "registry.example.com/prod/**" }] } as const;
    expect(matched(own, "REGISTRY.example.com:443/prod/app")).toBe(true);
    expect(matched(own, "registry.example.com:5000/prod/app")).toBe(false);
    expect(matched(own, "registry.example.com.evil.io/prod/app")).toBe(false);
    expect(matched(own, "evil.io/registry.example.com/prod/app")).toBe(false);
    expect(matched(own, "registry.example.com/production/app")).toBe(false);
  });

  it("need one glob of several", () => {
    const images = [{ glob: "a.io/**" }, { glob: "b.io/**" }] as const;
    expect(matched({ images }, "b.io/x")).toBe(true);
    expect(matched({ images }, "c.io/x")).toBe(false);
  });
});

describe("tags", () => {
  const images = [{ glob: "reg.io/app", tags: ["1.*", "stable"] }] as const;

  it("are matched as globs", () => {
    expect(matched({ images }, "reg.io/app:1.2")).toBe(true);
    expect(matched({ images }, "reg.io/app:stable")).toBe(true);
    expect(matched({ images }, "reg.io/app:2.0")).toBe(false);
    expect(matched({ images }, "reg.io/app")).toBe(false);
  });

  it("are all matched by a reference that has only a digest", () => {
    expect(matched({ images }, `reg.io/app@${digest}`)).toBe(true);
    expect(matched({ images }, `reg.io/other@${digest}`)).toBe(false);
  });

  it("are matched by the tag beside a digest, so that pinning changes no policy", () => {
    expect(matched({ images }, `reg.io/app:1.2@${digest}`)).toBe(true);
    expect(matched({ images }, `reg.io/app:2.0@${digest}`)).toBe(false);
  });

  it("belong to their own glob", () => {
    const two = [{ glob: "reg.io/a", tags: ["1"] }, { glob: "reg.io/b" }] as const;
    expect(matched({ images: two }, "reg.io/b:2")).toBe(true);
    expect(matched({ images: two }, "reg.io/a:2")).toBe(false);
  });
});

describe("an excluded image", () => {
  it("counts as matched, and is marked", () => {
    const set = { policies: [policy({ exclude: ["reg.io/base/*"] })], revision: "1" };
    expect(matchPolicies(set, parseReference("reg.io/base/os"))).toMatchObject([{ excluded: true }]);
    expect(matchPolicies(set, parseReference("reg.io/base/os/sub"))).toMatchObject([{ excluded: false }]);
    expect(isMatchedByEnforcingClusterPolicy(matchPolicies(set, parseReference("reg.io/base/os")))).toBe(true);
  });

  it("is not matched by a policy that does not speak about it", () => {
    const changes = { images: [{ glob: "reg.io/app" }], exclude: ["reg.io/base"] } as const;
    expect(matched(changes, "reg.io/base")).toBe(false);
  });
});

describe("match", () => {
  it("is taken as true where there is no object", () => {
    expect(matched({ match: [{ namespaces: ["prod"] }] }, "a")).toBe(true);
  });

  it("matches every object when it is empty", () => {
    expect(matched({ match: [] }, "a", object())).toBe(true);
    expect(matched({ match: [{}] }, "a", object())).toBe(true);
  });

  it.each([
    [{ apiGroups: ["apps"] }, true],
    [{ apiGroups: [""] }, false],
    [{ apiGroups: ["*"] }, true],
    [{ resources: ["deployments"] }, true],
    [{ resources: ["pods"] }, false],
    [{ namespaces: ["prod"] }, true],
    [{ namespaces: ["pr*"] }, true],
    [{ namespaces: ["prod-*"] }, false],
    [{ objectSelector: { matchLabels: { tier: "web" } } }, true],
    [{ objectSelector: { matchLabels: { tier: "db" } } }, false],
    [{ objectSelector: { matchLabels: { tier: "web", team: "a" } } }, false],
    [{ objectSelector: { matchLabels: { constructor: "x" } } }, false],
    [{ apiGroups: ["apps"], resources: ["pods"] }, false],
    [{ apiGroups: ["apps"], resources: ["pods", "deployments"], namespaces: ["prod"] }, true],
  ] as const)("%j on a Deployment in prod is %s", (match, expected) => {
    expect(matched({ match: [match as TrustPolicy["match"][number]] }, "a", object())).toBe(expected);
  });

  it("needs one entry of several", () => {
    const match = [{ namespaces: ["dev"] }, { resources: ["deployments"] }] as const;
    expect(matched({ match }, "a", object())).toBe(true);
    expect(matched({ match }, "a", object({ resource: "pods" }))).toBe(false);
  });

  it("asks for a namespace of an object that has none in vain", () => {
    expect(matched({ match: [{ namespaces: ["*"] }] }, "a", object({ namespace: undefined }))).toBe(false);
  });
});

describe("a namespaced policy", () => {
  it("applies to objects of its namespace and to nothing else", () => {
    expect(matched({ namespace: "prod" }, "a", object())).toBe(true);
    expect(matched({ namespace: "dev" }, "a", object())).toBe(false);
    expect(matched({ namespace: "prod" }, "a", object({ namespace: undefined }))).toBe(false);
    expect(matched({ namespace: "prod" }, "a")).toBe(false);
  });
});

describe("the default for images that no policy matches", () => {
  const asked = (...policies: readonly TrustPolicy[]) =>
    isMatchedByEnforcingClusterPolicy(matchPolicies({ policies, revision: "1" }, parseReference("a"), object()));

  it("is out of the question only when an enforcing cluster policy matched", () => {
    expect(asked()).toBe(false);
    expect(asked(policy({ mode: "warn" }), policy({ mode: "audit" }))).toBe(false);
    expect(asked(policy({ namespace: "prod" }))).toBe(false);
    expect(asked(policy({ namespace: "prod" }), policy({}))).toBe(true);
    expect(asked(policy({ images: [{ glob: "reg.io/**" }] }))).toBe(false);
  });
});

it("keeps the order of the set", () => {
  const policies = ["c", "a", "b"].map((name) => policy({ name }));
  const names = matchPolicies({ policies, revision: "1" }, parseReference("x")).map((match) => match.policy.name);
  expect(names).toEqual(["c", "a", "b"]);
});

describe("label selectors", () => {
  const namespaced = (namespaceSelector: LabelSelector): Partial<TrustPolicy> => ({ match: [{ namespaceSelector }] });
  const own = (objectSelector: LabelSelector): Partial<TrustPolicy> => ({ match: [{ objectSelector }] });
  const expression = (operator: LabelExpression["operator"], ...values: string[]) => ({
    matchExpressions: [{ key: "tier", operator, values }],
  });

  it.each([
    ["In", expression("In", "web", "api"), { tier: "web" }, true],
    ["In, another value", expression("In", "web"), { tier: "db" }, false],
    ["In, no label", expression("In", "web"), {}, false],
    ["NotIn", expression("NotIn", "web"), { tier: "db" }, true],
    ["NotIn, that value", expression("NotIn", "web"), { tier: "web" }, false],
    ["NotIn, no label", expression("NotIn", "web"), {}, true],
    ["Exists", expression("Exists"), { tier: "" }, true],
    ["Exists, no label", expression("Exists"), {}, false],
    [
      "Exists, only by the prototype",
      { matchExpressions: [{ key: "toString", operator: "Exists", values: [] }] },
      {},
      false,
    ],
    ["DoesNotExist", expression("DoesNotExist"), {}, true],
    ["DoesNotExist, a label", expression("DoesNotExist"), { tier: "x" }, false],
    ["both kinds", { matchLabels: { app: "a" }, ...expression("Exists") }, { app: "a" }, false],
  ] as const)("of an object: %s", (_, selector, labels, expected) => {
    expect(matched(own(selector), "x", object({ labels }))).toBe(expected);
  });

  it("of a namespace use its labels", () => {
    const selector = { matchLabels: { env: "prod" } };
    expect(matched(namespaced(selector), "x", object({ namespaceLabels: { env: "prod" } }))).toBe(true);
    expect(matched(namespaced(selector), "x", object({ namespaceLabels: { env: "dev" } }))).toBe(false);
    expect(matched(namespaced(selector), "x", object({ namespaceLabels: {}, labels: { env: "prod" } }))).toBe(false);
  });

  it("of a namespace know its name without its labels, whatever those claim", () => {
    const selector = { matchLabels: { "kubernetes.io/metadata.name": "prod" } };
    expect(matched(namespaced(selector), "x", object({ namespace: "prod" }))).toBe(true);
    expect(matched(namespaced(selector), "x", object({ namespace: "dev" }))).toBe(false);
    const lying = { "kubernetes.io/metadata.name": "prod" };
    expect(matched(namespaced(selector), "x", object({ namespace: "dev", namespaceLabels: lying }))).toBe(false);
  });

  it("of a namespace whose labels are not known apply, but are no match for the default", () => {
    const set = { policies: [policy(namespaced({ matchLabels: { env: "prod" } }))], revision: "1" };
    const found = matchPolicies(set, parseReference("x"), object({}));
    expect(found).toMatchObject([{ uncertain: true }]);
    expect(isMatchedByEnforcingClusterPolicy(found)).toBe(false);
    const certain = matchPolicies(set, parseReference("x"), object({ namespaceLabels: { env: "prod" } }));
    expect(isMatchedByEnforcingClusterPolicy(certain)).toBe(true);
  });
});
