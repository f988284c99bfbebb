import { TrustError } from "../../errors.ts";
import { defaultSettings, type VerifierSettings } from "../../policy/settings.ts";
import { policyRootPath, storedRootPath } from "../../trust/open.ts";
import { isRootName } from "../../trust/stored-root.ts";
import { ageOptions, agesOf } from "../ages.ts";
import { clusterOptions, openClusterOf } from "../cluster.ts";
import { defineCommand } from "../command.ts";
import { durationFlag } from "../durations.ts";
import { openTrustedRoot } from "../identity-options.ts";
import { openState, policyOptions } from "../policies.ts";
import { isCluster } from "../policy-paths.ts";
import { connectionOf, registryOptions } from "../registry.ts";
import { renewRoots } from "../root-renewal.ts";
import { serverOptions, serveUntilStopped } from "../serve.ts";
import { trustRootContext, webSettings } from "../trust-roots.ts";

export const command = defineCommand({
  name: "webhook serve",
  summary: "run the admission webhook",
  description:
    "Serves /validate and /mutate for admission.k8s.io/v1 AdmissionReviews over HTTPS, and /healthz, /readyz and " +
    "/metrics. The first line on standard output says where it listens. --cert-dir holds ca.crt, tls.crt and tls.key, " +
    "or receives a certificate made at the first start. Policies and certificates are followed while it runs. With " +
    "--cluster the policies of the cluster count, and those of files as well; nothing is answered before all of them are " +
    "known. SIGTERM lets reviews under way finish and ends with 0.",
  examples: [
    { about: "With a certificate of its own", command: "trust webhook serve --policy policies/ --cert-dir certs/" },
    {
      about: "In a cluster, with the policies that it holds",
      command: "trust webhook serve --cluster --cert-dir certs/",
    },
    {
      about: "With a given certificate, on another port",
      command: "trust webhook serve --policy policies/ --listen :9443 --tls-cert tls.crt --tls-key tls.key",
    },
  ],
  arguments: {},
  options: {
    policy: { ...policyOptions.policy, summary: "policy file, or folder of policies" },
    cluster: {
      summary:
        "follow the policies, trust roots, exceptions and namespaces of the cluster, and Secrets that policies name",
    },
    ...clusterOptions,
    "no-match": policyOptions["no-match"],
    state: {
      ...policyOptions.state,
      value: "FILE|configmap/NAME",
      summary:
        "remembers what policies with freshness have accepted, so that nothing older is: a file, or with --cluster a " +
        "ConfigMap that all replicas share; made where it is missing",
    },
    ...serverOptions,
    listen: { ...serverOptions.listen, default: ":8443" },
    "cert-dir": {
      value: "FOLDER",
      summary: "holds ca.crt, tls.crt and tls.key, or receives them",
      completes: "folders",
    },
    "cert-host": { value: "NAME", summary: "further DNS name or IP address of a self-made certificate", many: true },
    "allow-registry": {
      ...policyOptions["allow-registry"],
      summary: "registry that may be on this machine or have a link-local address",
    },
    digest: {
      value: "MODE",
      summary: "whether /mutate writes the verified digest in the place of a tag",
      choices: ["pin", "verify-only"],
      default: "pin",
    },
    pin: { value: "WHAT", summary: "what is pinned", choices: ["all", "pods"], default: "all" },
    unpinned: {
      value: "OUTCOME",
      summary: "whether a tag passes with --digest verify-only",
      choices: ["deny", "allow"],
      default: "deny",
    },
    "renew-roots": {
      value: "DURATION",
      summary: "how often trust roots that policies use are fetched anew by TUF; 0 for never",
      default: "12h",
    },
    ...ageOptions,
    ...registryOptions,
  },
  serves: true,
  async run(context, _args, options) {
    const { startWebhook } = await import("../../../webhook/server.ts");
    const { createLog } = await import("../log.ts");
    const { io } = context;
    checkSources(options);
    const path = (name: string | undefined) => (name === undefined ? undefined : context.resolvePath(name));
    const settings: VerifierSettings = {
      ...defaultSettings,
      noMatch: options["no-match"],
      allowRegistry: options["allow-registry"],
      digest: options.digest,
      pin: options.pin,
      unpinned: options.unpinned,
      ...agesOf(options),
    };
    const log = createLog(context);
    const every = durationFlag("--renew-roots", options["renew-roots"]) ?? 0;
    const stateMap = stateMapOf(options);
    const state = stateMap === undefined ? await openState(context, options.state) : undefined;
    const roots = trustRootContext(context);
    const cluster = followsCluster(options) ? await openClusterOf(context, options) : undefined;
    const starting = startWebhook({
      listen: options.listen,
      certDir: path(options["cert-dir"]),
      tlsCert: path(options["tls-cert"]),
      tlsKey: path(options["tls-key"]),
      hosts: options["cert-host"],
      policyPaths: options.policy.filter((named) => !isCluster(named)),
      cwd: io.folder,
      cluster,
      stateMap,
      signal: io.signal,
      openRoot: (name, tuf) => openTrustedRoot(context, name, tuf),
      rootFile(name, tuf) {
        if (tuf !== undefined) return policyRootPath(roots.folder, tuf);
        return isRootName(name) ? storedRootPath(roots.folder, name) : context.resolvePath(name);
      },
      settings,
      registry: await connectionOf(context, options),
      log,
      highWaterMarks: state?.saving((error) => log.error({ code: error.code, err: error.message }, "state not saved")),
      now: io.now,
      processMetrics: true,
    });
    const server = await starting.catch((error: unknown) => {
      cluster?.close();
      // Told to stop while it waited for the cluster: that is a good end.
      if (io.signal.aborted) return undefined;
      throw error;
    });
    if (server === undefined) return 0;
    if (every > 0) {
      const web = await webSettings(context, undefined);
      void renewRoots(context, { every, web, log, roots: server.roots }, io.signal);
    }
    return serveUntilStopped(context, server);
  },
});

interface SourceFlags {
  readonly policy: readonly string[];
  readonly cluster: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

interface StateFlags extends Pick<SourceFlags, "policy" | "cluster"> {
  readonly state: string | undefined;
}

/** As the flag says, or as other commands name the cluster among policies. */
function followsCluster({ policy, cluster }: Pick<SourceFlags, "policy" | "cluster">): boolean {
  return cluster || policy.some(isCluster);
}

/** The ConfigMap that `--state` names, as kubectl names it; a file of that name is `./configmap/NAME`. */
function stateMapOf({ state, ...flags }: StateFlags): string | undefined {
  if (state?.startsWith("configmap/") !== true) return undefined;
  const name = state.slice("configmap/".length);
  const isName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name);
  if (isName && followsCluster(flags)) return name;
  throw new TrustError("USAGE", isName ? "a ConfigMap without a cluster" : "not the name of a ConfigMap", {
    expected: isName ? "--cluster beside --state" : "--state configmap/NAME, the name in lower case",
    found: JSON.stringify(state.slice(0, 100)),
  });
}

function checkSources({ policy, cluster, kubeconfig, context }: SourceFlags): void {
  if (policy.length === 0 && !cluster)
    throw new TrustError("USAGE", "say where the policies are", {
      expected: "--policy PATH, --cluster, or both",
      found: "neither",
    });
  const needless = Object.entries({ "--kubeconfig": kubeconfig, "--context": context }).find(([, value]) => value);
  if (needless !== undefined && !followsCluster({ policy, cluster }))
    throw new TrustError("USAGE", `${needless[0]} means nothing without --cluster`, {
      expected: "--cluster beside it",
    });
}
