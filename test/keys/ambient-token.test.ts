import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type AmbientContext, ambientSources, ambientToken } from "../../src/keys/ambient-token.ts";
import { createServiceClient } from "../../src/oci/service.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";
import { type Handler, type Service, startService } from "../support/sigstore/service.ts";

const folder = tempDir("ambient");
const client = createServiceClient({ retry: { attempts: 1 } });
const services: Service[] = [];
const serve = async (handler: Handler) => {
  const service = await startService(handler);
  services.push(service);
  return service;
};
const ask = (env: Readonly<Record<string, string>>, files: Readonly<Record<string, string>> = {}) => {
  const context: AmbientContext = { env, client, readFile: async (path) => files[path] };
  return ambientToken(context);
};

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});
afterAll(() => {
  client.close();
  folder.cleanup();
});

/** A buildkite-agent that does what a shell script says. */
const agent = (script: string) => {
  const path = join(folder.path, "buildkite-agent");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { BUILDKITE: "true", PATH: `${folder.path}:/usr/bin:/bin` };
};

describe("the token of the place that a program runs in", () => {
  it("is nowhere in an empty environment, and nothing is asked", async () => {
    expect(await ask({})).toBeUndefined();
    expect(ambientSources.length).toBe(6);
  });

  it("is what somebody set on purpose, before all others", async () => {
    expect(await ask({ SIGSTORE_ID_TOKEN: "set", GITHUB_ACTIONS: "true", BUILDKITE: "true" })).toBe("set");
    expect(await ask({ SIGSTORE_ID_TOKEN: "", CIRCLE_OIDC_TOKEN_V2: "circle" })).toBe("circle");
  });

  it("is what buildkite-agent prints for the audience sigstore", async () => {
    expect(await ask(agent('[ "$*" = "oidc request-token --audience sigstore" ] && echo the-token'))).toBe("the-token");
    expect(await codeOfRejection(ask(agent("echo secret >&2; exit 1")))).toBe("IDENTITY_TOKEN_NOT_FOUND");
    expect(await codeOfRejection(ask(agent("exit 0")))).toBe("IDENTITY_TOKEN_NOT_FOUND");
    expect(await codeOfRejection(ask({ BUILDKITE: "true", PATH: "/nowhere" }))).toBe("IDENTITY_TOKEN_NOT_FOUND");
  });

  it("is the file that Kubernetes projects", async () => {
    expect(await ask({}, { "/var/run/sigstore/cosign/oidc-token": "projected\n" })).toBe("projected");
    expect(await ask({}, { "/var/run/sigstore/cosign/oidc-token": "\n" })).toBeUndefined();
  });

  it("is not given by a GitHub job without the permission, or by something that answers without one", async () => {
    expect(await codeOfRejection(ask({ GITHUB_ACTIONS: "true" }))).toBe("IDENTITY_TOKEN_NOT_FOUND");
    for (const body of ["{}", '{"value":1}', "no json", '{"value":""}']) {
      const { url } = await serve(() => ({ status: 200, body }));
      const job = { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "x" };
      expect(await codeOfRejection(ask(job))).toBe("IDENTITY_TOKEN_NOT_FOUND");
    }
  });

  it("is not asked for with a secret over plain HTTP to another machine", async () => {
    const job = { ACTIONS_ID_TOKEN_REQUEST_URL: "http://example.com/", ACTIONS_ID_TOKEN_REQUEST_TOKEN: "x" };
    expect(await codeOfRejection(ask(job))).toBe("INSECURE_TRANSPORT_REFUSED");
  });

  it("is asked of Google's metadata server, in the form it wants", async () => {
    const google = await serve(({ path, query }) => ({ status: 200, body: `${path}?${query}`, type: "text/plain" }));
    expect(await ask({ GCE_METADATA_HOST: new URL(google.url).host })).toBe(
      "/computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full",
    );
  });

  it("says where a service that should give one is down", async () => {
    const down = await serve(() => ({ status: 503, body: {} }));
    expect(await codeOfRejection(ask({ GCE_METADATA_HOST: new URL(down.url).host }))).toBe(
      "SIGNING_SERVICE_UNAVAILABLE",
    );
  });
});
