import { email, extension, otherName, uri, utf8 } from "../x509.ts";

/** The claims of an identity token. */
export type Claims = Readonly<Record<string, unknown>>;

const arc = "1.3.6.1.4.1.57264.1.";

/** The subject of a token as Fulcio names it; what the proof of possession signs. */
export function subjectOf(claims: Claims): string {
  const { email: address, sub } = claims;
  return typeof address === "string" ? address : String(sub);
}

/** The subject alternative name that an identity gets: e-mail, URI, or a user name as otherName. */
export function nameOf(claims: Claims): Buffer {
  const { email: address, sub, job_workflow_ref: workflow, ci_config_ref_uri: pipeline } = claims;
  if (typeof address === "string") return email(address);
  if (typeof workflow === "string") return uri(`https://github.com/${workflow}`);
  if (typeof pipeline === "string") return uri(`https://${pipeline}`);
  const subject = String(sub);
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(subject) ?? [];
  if (account !== undefined) return uri(`https://kubernetes.io/namespaces/${namespace}/serviceaccounts/${account}`);
  if (/^[a-z]+:/.test(subject)) return uri(subject);
  return otherName(`${arc}7`, utf8(`${subject}!${new URL(String(claims["iss"])).hostname}`));
}

/** Fulcio's extensions: .1 to .6 hold bare bytes, .8 and on a UTF8String. */
export function claimExtensions(claims: Claims): readonly Buffer[] {
  const all = { 1: claims["iss"], 8: claims["iss"], ...githubExtensions(claims), ...gitlabExtensions(claims) };
  return Object.entries(all).flatMap(([number, value]) => {
    if (value === undefined || value === "") return [];
    const text = String(value);
    return [extension(arc + number, Number(number) < 8 ? Buffer.from(text) : utf8(text))];
  });
}

function githubExtensions(claims: Claims): Readonly<Record<number, unknown>> {
  if (claims["job_workflow_ref"] === undefined) return {};
  const page = (name: string) => (claims[name] === undefined ? undefined : `https://github.com/${claims[name]}`);
  const repository = page("repository");
  return {
    2: claims["event_name"],
    3: claims["sha"],
    4: claims["workflow"],
    5: claims["repository"],
    6: claims["ref"],
    9: page("job_workflow_ref"),
    10: claims["job_workflow_sha"],
    11: claims["runner_environment"],
    12: repository,
    13: claims["sha"],
    14: claims["ref"],
    15: claims["repository_id"],
    16: page("repository_owner"),
    17: claims["repository_owner_id"],
    18: page("workflow_ref"),
    19: claims["workflow_sha"],
    20: claims["event_name"],
    21: claims["run_id"] && `${repository}/actions/runs/${claims["run_id"]}/attempts/${claims["run_attempt"] ?? 1}`,
    22: claims["repository_visibility"],
  };
}

function gitlabExtensions(claims: Claims): Readonly<Record<number, unknown>> {
  const { project_path: path, ci_config_ref_uri: config } = claims;
  if (path === undefined || config === undefined) return {};
  const host = new URL(String(claims["iss"])).host;
  return {
    9: `https://${config}`,
    10: claims["ci_config_sha"],
    11: claims["runner_environment"],
    12: `https://${host}/${path}`,
    13: claims["sha"],
    14: claims["ref_path"],
    15: claims["project_id"],
    16: `https://${host}/${claims["namespace_path"]}`,
    17: claims["namespace_id"],
    18: `https://${config}`,
    19: claims["ci_config_sha"],
    20: claims["pipeline_source"],
    21: `https://${host}/${path}/-/jobs/${claims["job_id"]}`,
    22: claims["project_visibility"],
  };
}

export const githubIssuer = "https://token.actions.githubusercontent.com";

/** The claims of a release workflow of `acme/app`, as GitHub makes them. */
export function githubClaims(changes: Claims = {}): Claims {
  const workflow = "acme/app/.github/workflows/release.yml@refs/heads/main";
  const sha = "0123456789abcdef0123456789abcdef01234567";
  return {
    iss: githubIssuer,
    sub: "repo:acme/app:ref:refs/heads/main",
    event_name: "push",
    sha,
    workflow: "Release",
    repository: "acme/app",
    ref: "refs/heads/main",
    job_workflow_ref: workflow,
    job_workflow_sha: sha,
    runner_environment: "github-hosted",
    repository_id: "1001",
    repository_owner: "acme",
    repository_owner_id: "2002",
    workflow_ref: workflow,
    workflow_sha: sha,
    run_id: "3003",
    run_attempt: "1",
    repository_visibility: "public",
    ...changes,
  };
}
