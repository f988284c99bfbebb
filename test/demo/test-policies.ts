import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Play, run } from "./play.ts";
import { images } from "./scene.ts";
import { say } from "./stage.ts";

/** Policies are looked through and tested like code: on recorded evidence, without the registry. */
export async function testPolicies(play: Play, registry: string): Promise<void> {
  say.title("8  Policies are tested like code");
  const name = (key: keyof typeof images) => `${registry}/${images[key].name}`;
  say.output((await run(play, 0, "policy", "check", "policies")).stdout);
  await run(play, 0, "policy", "record", "--file", "ci.evidence.json", name("web"), name("handmade"), name("branch"));
  writeFileSync(join(play.home, "ci.test.yaml"), cases(name));
  const { stdout } = await run(play, 0, "policy", "test", "ci.test.yaml");
  say.output(stdout);
  expect(play, "not three cases passed", stdout.includes("3 passed, 0 failed"));
}

function cases(name: (key: keyof typeof images) => string): string {
  return `kind: PolicyTest
policies: [policies]
evidence: [ci.evidence.json]
now: ${new Date().toISOString()}
cases:
  - name: a release is admitted
    image: ${name("web")}
    expect: { outcome: allow }
  - name: a branch is not
    image: ${name("branch")}
    expect: { outcome: deny, code: SIGNER_NOT_TRUSTED }
  - name: other sources are not
    image: ${name("handmade")}
    expect: { outcome: deny, code: CONDITION_NOT_MET }
`;
}
