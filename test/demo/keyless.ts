import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { githubClaims, githubIssuer } from "../support/sigstore/claims.ts";
import { type Sigstore, startSigstore } from "../support/sigstore/index.ts";
import { expect, type Play, push, run } from "./play.ts";
import { images } from "./scene.ts";
import { say } from "./stage.ts";

const workflowOn = (branch: string) => `acme/app/.github/workflows/release.yml@refs/heads/${branch}`;

/**
 * CI jobs sign and attest with their own identities, by a Sigstore of the demo's own on loopback: authority with its
 * certificate log, transparency log and timestamp authority.
 */
export async function signWithoutKeys(play: Play, registry: string): Promise<void> {
  say.title("5  Signatures without keys: CI jobs sign as themselves");
  const sigstore = await startSigstore();
  try {
    writeFileSync(join(play.home, "sigstore.json"), JSON.stringify(sigstore.trustedRoot));
    writeFileSync(join(play.home, "services.json"), JSON.stringify(sigstore.signingConfig()));
    writeFileSync(join(play.home, "trust-root.json"), trustRootOf(sigstore));
    for (const branch of ["main", "feature"])
      writeFileSync(join(play.home, `job-${branch}.token`), token(sigstore, branch));
    for (const key of ["web", "handmade", "branch"] as const) await push(play, registry, images[key]);
    await signAndAttest(play, registry);
  } finally {
    await sigstore.stop();
  }
}

/** What GitHub Actions would give a job of that branch. */
function token(sigstore: Sigstore, branch: string): string {
  const workflow = workflowOn(branch);
  return sigstore.identityToken(
    githubClaims({ ref: `refs/heads/${branch}`, job_workflow_ref: workflow, workflow_ref: workflow }),
  );
}

async function signAndAttest(play: Play, registry: string): Promise<void> {
  const name = (key: keyof typeof images) => `${registry}/${images[key].name}`;
  const as = (job: string) => ["--identity-token", `${job}.token`, ...services];
  const services = ["--signing-config", "services.json", "--trusted-root", "sigstore.json"];
  say.output((await run(play, 0, "sign", ...as("job-main"), name("web"), name("handmade"))).stdout);
  await run(play, 0, "sign", ...as("job-feature"), name("branch"));
  play.counts.signatures += 3;
  say.line("  …and say how they built: one from the repository, one from a folder on somebody's machine");
  for (const [key, source] of Object.entries(sources)) {
    const file = `${key}.provenance.json`;
    writeFileSync(join(play.home, file), JSON.stringify(provenance(source)));
    const what = ["--type", "slsaprovenance1", "--predicate", file];
    await run(play, 0, "attest", ...as("job-main"), ...what, name(key as keyof typeof sources));
    play.counts.signatures += 1;
  }
  say.line("  Everything that hangs on one image, each entry judged by itself:");
  const who = ["--certificate-identity", `https://github.com/${workflowOn("main")}`];
  const vouched = ["--certificate-oidc-issuer", githubIssuer, "--trusted-root", "sigstore.json"];
  const { stdout } = await run(play, 0, "tree", ...who, ...vouched, name("web"));
  say.output(stdout);
  expect(play, "the tree does not show signature and provenance", /slsa\.dev\/provenance\/v1/.test(stdout));
}

const sources = { web: "https://github.com/acme/app", handmade: "file:///home/sam/app" } as const;

function provenance(source: string): object {
  return {
    buildDefinition: {
      buildType: "https://actions.github.io/buildtypes/workflow/v1",
      externalParameters: { source },
      resolvedDependencies: [{ uri: `git+${source}` }],
    },
    runDetails: { builder: { id: "https://github.com/actions/runner/github-hosted" } },
  };
}

function trustRootOf({ trustedRoot }: Sigstore): string {
  const document = {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "TrustRoot",
    metadata: { name: "demo" },
    spec: { trustedRoot },
  };
  return JSON.stringify(document, null, 2);
}

/** Identity of a workflow, a claim about where it ran, and where its sources came from. */
export function keylessPolicy(registry: string): string {
  return `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: built-by-ci }
spec:
  images: [{ glob: "${registry}/ci/**" }]
  authorities:
    - name: release-workflow
      keyless:
        trustRoot: demo                   # policies/trust-root.json: kind TrustRoot
        identities:
          - issuer: ${githubIssuer}
            subject: https://github.com/${workflowOn("main")}
            claims: { runnerEnvironment: github-hosted }
  attestations:
    - name: provenance
      predicateType: https://slsa.dev/provenance/v1
      condition: predicate.buildDefinition.externalParameters.source == "https://github.com/acme/app"
`;
}
