import type { Service, SigningConfig } from "../trust/signing-config.ts";

const service = (url: string, start: string): Service => ({
  url,
  apiVersion: 1,
  window: { start: Date.parse(start) },
  operator: "sigstore.dev",
});

/** The services of Sigstore's public-good deployment, for whoever gives no signing configuration. */
export const publicGoodServices: SigningConfig = {
  services: {
    ca: [service("https://fulcio.sigstore.dev", "2022-04-13T20:06:15Z")],
    oidc: [service("https://oauth2.sigstore.dev/auth", "2022-04-13T20:06:15Z")],
    log: [service("https://rekor.sigstore.dev", "2021-01-12T11:53:27Z")],
    timestamp: [service("https://timestamp.sigstore.dev/api/v1/timestamp", "2025-07-04T00:00:00Z")],
  },
  selectors: { log: { kind: "any" }, timestamp: { kind: "any" } },
};
