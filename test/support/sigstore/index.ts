// A Sigstore of its own, on loopback: issuer of identity tokens, certificate authority with a certificate log, Rekor v1 and v2 with
// real Merkle trees, RFC 3161 authority. Nothing leaves the machine; real cosign signs against it.
//
//   const sigstore = await startSigstore();                       // { now, curve, witnesses, validFor, change… }
//   sigstore.trustedRoot                                          // JSON for a verifier: JSON.stringify into a file
//   sigstore.signingConfig({ logs: [2], timestamps: true })       // JSON (v0.2) for a signer
//   sigstore.identityToken({ email: "alice@example.com" })        // or githubClaims() from claims.ts
//   sigstore.urls.fulcio, .rekor, .rekor2, .tsa, .issuer          // services, each on a port of its own
//   sigstore.services.rekor.trouble = { kind: "outage" }          // or slow, answer, change; undefined ends it
//   sigstore.services.rekor.requests                              // "POST /api/v1/log/entries"
//   sigstore.tuf, sigstore.urls.tuf                               // both JSONs as a TUF repository; sigstore.tuf.root to begin with
//   sigstore.world                                                // keys and logs, to forge with
//   await sigstore.stop();
//
// Without a network, and quicker: createWorld() and what is in bundles.ts.

import { createTufRepository, type TufRepository } from "../tuf-repository.ts";
import { type Claims, subjectOf } from "./claims.ts";
import { type FulcioOptions, fulcio } from "./fulcio.ts";
import { oidcIssuer } from "./issuer.ts";
import { rfc3339 } from "./jcs.ts";
import { rekorV1Api } from "./rekor-v1-api.ts";
import { rekorV2Api } from "./rekor-v2-api.ts";
import { type Answer, type Service, startService } from "./service.ts";
import { type TimestampApiOptions, timestampApi } from "./timestamp-api.ts";
import { createTokenIssuer } from "./tokens.ts";
import { createWorld, type TrustedRootJson, trustedRootOf, type World, type WorldOptions } from "./world.ts";

export interface SigstoreOptions extends WorldOptions {
  /** A world that is there already. */
  readonly world?: World;
  /** Changes the certificates that are issued. */
  readonly certificate?: FulcioOptions["change"];
  /** Changes the timestamps that are signed. */
  readonly timestamp?: TimestampApiOptions["change"];
  /** Who signs in interactively. */
  readonly claims?: Claims;
}

export interface Sigstore {
  readonly world: World;
  readonly urls: Readonly<Record<SigstoreService, string>>;
  readonly services: Readonly<Record<SigstoreService, Service>>;
  /** Of the world as it was made, in protobuf's JSON. */
  readonly trustedRoot: TrustedRootJson;
  /** Has `trusted_root.json` and `signing_config.v0.2.json`; served at `urls.tuf`. */
  readonly tuf: TufRepository;
  /** Version 0.2; one log, version 1, and the timestamp authority unless asked otherwise. */
  signingConfig(options?: SigningConfigOptions): object;
  /** A signed token for ten minutes; `iss` is the issuer here unless the claims say another. */
  identityToken(claims?: Claims): string;
  stop(): Promise<void>;
}

export type SigstoreService = "issuer" | "fulcio" | "rekor" | "rekor2" | "tsa" | "tuf";

export interface SigningConfigOptions {
  /** Major versions of the logs. */
  readonly logs?: readonly (1 | 2)[];
  readonly timestamps?: boolean;
  /** Without an authority, for keys. */
  readonly keyless?: boolean;
  readonly selector?: "ANY" | "ALL";
}

/** Starts all services; resolves once they listen. */
export async function startSigstore(options: SigstoreOptions = {}): Promise<Sigstore> {
  const { world = createWorld(options) } = options;
  const tokens = createTokenIssuer();
  const tuf = createTufRepository();
  const claimsOf = (claims: Claims): Claims => {
    const issuedAt = Math.floor(world.now() / 1000);
    const subject = { sub: subjectOf(claims), ...("email" in claims && { email_verified: true }) };
    return { iss: services.issuer.url, aud: "sigstore", iat: issuedAt, exp: issuedAt + 600, ...subject, ...claims };
  };
  const signedIn = () => claimsOf(options.claims ?? { email: "alice@example.com" });
  const check = (token: string) => tokens.check(token, world.now());
  const services: Record<SigstoreService, Service> = {
    issuer: await startService(oidcIssuer({ tokens, url: () => services.issuer.url, claims: signedIn })),
    fulcio: await startService(fulcio(world, { check, ...(options.certificate && { change: options.certificate }) })),
    rekor: await startService(rekorV1Api(world.rekor, world.now)),
    rekor2: await startService(rekorV2Api(world.rekor2)),
    tsa: await startService(timestampApi(world, options.timestamp && { change: options.timestamp })),
    tuf: await startService(({ path }) => tufFile(tuf, path)),
  };
  const urls = Object.fromEntries(Object.entries(services).map(([name, { url }]) => [name, url])) as Sigstore["urls"];
  const trustedRoot = trustedRootOf(world);
  tuf.publish({
    "trusted_root.json": JSON.stringify(trustedRoot),
    "signing_config.v0.2.json": JSON.stringify(signingConfig(urls, world.beginning)),
  });
  return {
    world,
    services,
    urls,
    tuf,
    trustedRoot,
    signingConfig: (wanted) => signingConfig(urls, world.beginning, wanted),
    identityToken: (claims = { email: "alice@example.com" }) => tokens.issue(claimsOf(claims)),
    stop: async () => void (await Promise.all(Object.values(services).map((service: Service) => service.stop()))),
  };
}

function tufFile({ files }: TufRepository, path: string): Answer | undefined {
  const body = files.get(decodeURIComponent(path.slice(1)));
  return body === undefined ? undefined : { status: 200, body, type: "application/octet-stream" };
}

function signingConfig(urls: Sigstore["urls"], start: number, options: SigningConfigOptions = {}): object {
  const { logs = [1], timestamps = true, keyless = true, selector = "ANY" } = options;
  const service = (url: string, majorApiVersion = 1) => ({
    url,
    majorApiVersion,
    validFor: { start: rfc3339(start) },
    operator: "sigstore.test",
  });
  return {
    mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    ...(keyless && { caUrls: [service(urls.fulcio)], oidcUrls: [service(urls.issuer)] }),
    rekorTlogUrls: logs.map((version) => service(version === 1 ? urls.rekor : urls.rekor2, version)),
    rekorTlogConfig: { selector },
    tsaUrls: timestamps ? [service(`${urls.tsa}/api/v1/timestamp`)] : [],
    tsaConfig: { selector },
  };
}
