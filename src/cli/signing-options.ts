import { passwordOption } from "./key-pair.ts";

/** Flags that say who signs with a key of their own. */
export const keyOptions = {
  ...passwordOption,
  cert: {
    value: "FILE",
    summary: "certificate of the key, PEM; signatures carry it, and verifiers trust its root instead of the key",
    completes: "files",
  },
  "cert-chain": {
    value: "FILE",
    summary: "what issued the certificate, PEM: intermediates in order, the root last",
    completes: "files",
  },
} as const;

/** Flags that say who witnesses a signature, and what it is proved with before it is pushed. */
export const witnessOptions = {
  tlog: { summary: "also with --key: have a transparency log witness the signature, in public" },
  timestamp: { summary: "also with --key: have a timestamp authority witness the signature" },
  "rekor-url": { value: "URL", summary: "this transparency log instead", many: true },
  "rekor-version": { value: "VERSION", summary: "API of that log", choices: ["1", "2"], default: "1" },
  "timestamp-url": { value: "URL", summary: "this timestamp authority (RFC 3161) instead", many: true },
  "signing-config": {
    value: "FILE",
    summary: "services to sign with, a Sigstore signing configuration v0.2; default: those of public-good",
    completes: "files",
  },
  "trusted-root": {
    value: "ROOT",
    summary: "trust root that certificates, log entries and timestamps are proved with: a name, or a trusted_root.json",
    default: "public-good",
    completes: "files",
  },
} as const;

/** Flags that say who signs with an identity. */
export const identityOptions = {
  "identity-token": {
    value: "FILE",
    summary: "without --key: file with an identity token, - for standard input; default: asked of the CI system around",
    completes: "files",
  },
  "oidc-flow": {
    value: "FLOW",
    summary: "how to sign in on a terminal: with a browser, with a code on any device, or with tokens only",
    choices: ["browser", "device", "token"],
  },
  "oidc-issuer": { value: "URL", summary: "identity provider to sign in at" },
  "oidc-client-id": { value: "ID", summary: "name of this client there", default: "sigstore" },
  "fulcio-url": { value: "URL", summary: "this certificate authority instead" },
  yes: { short: "y", summary: "do not warn that identity and signature become public" },
} as const;

/** Every flag of a command that signs. */
export const signingOptions = {
  key: {
    short: "k",
    value: "KEY",
    summary: "private key: a file, or env://NAME; without one an identity signs",
    completes: "files",
  },
  ...keyOptions,
  ...identityOptions,
  ...witnessOptions,
} as const;
