import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's own file, and only that: start-up is paid by each command for itself. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Every command, in the order of help. */
export const commandTable: Readonly<Record<string, CommandEntry>> = {
  sign: { summary: "sign images in their registry", load: () => import("./commands/sign.ts") },
  attest: {
    summary: "sign a statement about images: provenance, an SBOM, a scan",
    load: () => import("./commands/attest.ts"),
  },
  verify: { summary: "decide whether images are trusted", load: () => import("./commands/verify.ts") },
  refresh: { summary: "sign again what is about to expire", load: () => import("./commands/refresh.ts") },
  "sign-blob": { summary: "sign a file", load: () => import("./commands/sign-blob.ts") },
  "verify-blob": { summary: "verify the signature of a file", load: () => import("./commands/verify-blob.ts") },
  "attestation get": {
    summary: "print what a verified attestation says",
    load: () => import("./commands/attestation-get.ts"),
  },
  "audit registry": {
    summary: "judge every image of a registry",
    load: () => import("./commands/audit-registry.ts"),
  },
  "audit manifests": {
    summary: "judge every image named in Kubernetes manifests",
    load: () => import("./commands/audit-manifests.ts"),
  },
  tree: {
    summary: "draw all that is attached to an image, and whether it is valid",
    load: () => import("./commands/tree.ts"),
  },
  inspect: {
    summary: "decode a signature, attestation, key, certificate or manifest",
    load: () => import("./commands/inspect.ts"),
  },
  "policy check": {
    summary: "find what is wrong with policies, and what they will never do",
    load: () => import("./commands/policy-check.ts"),
  },
  "policy explain": {
    summary: "say which policies speak about an image, and what they ask for",
    load: () => import("./commands/policy-explain.ts"),
  },
  "policy test": {
    summary: "hold policies to what they should decide, on recorded evidence",
    load: () => import("./commands/policy-test.ts"),
  },
  "policy record": {
    summary: "write down the evidence on images, for tests of policies",
    load: () => import("./commands/policy-record.ts"),
  },
  "policy diff": {
    summary: "say what a change of policies would change",
    load: () => import("./commands/policy-diff.ts"),
  },
  "policy import": {
    summary: "make native policies of those of other tools",
    load: () => import("./commands/policy-import.ts"),
  },
  "policy freeze": {
    summary: "list what a key has signed so far, to stay accepted",
    load: () => import("./commands/policy-freeze.ts"),
  },
  "key generate": { summary: "make a key pair", load: () => import("./commands/key-generate.ts") },
  "key import": {
    summary: "make an encrypted key file of a private key",
    load: () => import("./commands/key-import.ts"),
  },
  "key public": { summary: "print the public key of a key", load: () => import("./commands/key-public.ts") },
  "root list": { summary: "list the trust roots there are", load: () => import("./commands/root-list.ts") },
  "root show": { summary: "print what a trust root believes", load: () => import("./commands/root-show.ts") },
  "root add": { summary: "add a trust root under a name", load: () => import("./commands/root-add.ts") },
  "root update": { summary: "fetch trust roots anew, by TUF", load: () => import("./commands/root-update.ts") },
  "root remove": { summary: "forget a trust root", load: () => import("./commands/root-remove.ts") },
  login: { summary: "keep credentials for a registry", load: () => import("./commands/login.ts") },
  logout: { summary: "forget the credentials for a registry", load: () => import("./commands/logout.ts") },
  push: { summary: "push an OCI layout to a registry", load: () => import("./commands/push.ts") },
  copy: { summary: "copy an image with its signatures", load: () => import("./commands/copy.ts") },
  save: {
    summary: "save images with their signatures into a folder or an archive",
    load: () => import("./commands/save.ts"),
  },
  load: {
    summary: "push what was saved to a registry, with its signatures",
    load: () => import("./commands/load.ts"),
  },
  clean: {
    summary: "remove signatures, attestations and SBOMs of an image",
    load: () => import("./commands/clean.ts"),
  },
  "registry serve": { summary: "run the built-in registry", load: () => import("./commands/registry-serve.ts") },
  "registry gc": {
    summary: "remove what no manifest of a registry's storage names",
    load: () => import("./commands/registry-gc.ts"),
  },
  "registry user add": {
    summary: "add a user to a registry, or change the password",
    load: () => import("./commands/registry-user-add.ts"),
  },
  "registry user remove": {
    summary: "remove a user from a registry",
    load: () => import("./commands/registry-user-remove.ts"),
  },
  "webhook serve": { summary: "run the admission webhook", load: () => import("./commands/webhook-serve.ts") },
  completion: { summary: "print a completion script for a shell", load: () => import("./commands/completion.ts") },
  version: { summary: "print the version", load: () => import("./commands/version.ts") },
};

/** Groups of commands, for the help of the group. */
export const groups: Readonly<Record<string, string>> = {
  attestation: "look into attestations",
  audit: "list images with their verdicts",
  key: "make and look at keys",
  policy: "work with policies",
  registry: "the built-in OCI registry",
  "registry user": "users of the built-in registry",
  root: "trust roots: what is believed about Sigstore deployments",
  webhook: "the Kubernetes admission webhook",
};
