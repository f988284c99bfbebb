import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";
import { verifyPath } from "../crypto/x509-path.ts";
import { TrustError } from "../errors.ts";
import type { Testify, TrustMaterial } from "../formats/format.ts";
import { trustInSigner, type WitnessedEvidence } from "../formats/made-trust.ts";
import { codeSigning } from "../keys/certificate.ts";
import { readSmallFile } from "../keys/files.ts";
import { fulcioSigner } from "../keys/fulcio.ts";
import type { Signer } from "../keys/signer.ts";
import { createServiceClient, type ServiceClient } from "../oci/service.ts";
import { defaultTrustRoot } from "../trust/embedded.ts";
import { withCode } from "../trust/fields.ts";
import { openTrustRoot } from "../trust/open.ts";
import { openSigningConfig } from "../trust/open-signing-config.ts";
import { parseSigningConfig, type Service, type SigningConfig, selectServices } from "../trust/signing-config.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import { rekorV1 } from "../witness/rekor-v1.ts";
import { rekorV2 } from "../witness/rekor-v2.ts";
import { timestampAuthority } from "../witness/timestamp.ts";
import { askAll, type Witness } from "../witness/witness.ts";
import type { CommandContext } from "./command.ts";
import { identitySource } from "./identity.ts";
import { publicGoodServices } from "./public-good-services.ts";
import type { Signing, SigningRequest } from "./signing.ts";
import { trustRootContext } from "./trust-roots.ts";
import { programVersion } from "./version.ts";

const maxConfig = 4 * 1024 * 1024;

/** Those who witness signatures, and the root that proves what they say. */
export interface Witnesses {
  /** What a signature by that signer is witnessed and proved with. */
  forSigner(signer: Signer): Promise<Required<Omit<Signing, "signer">>>;
}

interface Services {
  readonly config: SigningConfig;
  readonly client: ServiceClient;
  readonly root: TrustRoot;
  readonly logs: readonly Witness[];
  readonly authorities: readonly Witness[];
}

/** Opens the witnesses that the flags name, for a key. */
export async function openWitnesses(context: CommandContext, request: SigningRequest): Promise<Witnesses> {
  const { flags } = request;
  const isConfigured = flags["signing-config"] !== undefined && !flags.tlog && !flags.timestamp;
  const services = await openServices(context, request, {
    log: isConfigured || flags.tlog,
    timestamp: isConfigured || flags.timestamp,
  });
  warn(context, request, services, undefined);
  return {
    async forSigner(signer) {
      const { revision, keys, certificates = [] } = await trustInSigner(signer);
      const root = await rootFor(signer, services.root);
      const trust = { revision: `${revision} ${root.revision}`, keys, certificates, roots: [root] };
      return { testify: testifyWith(context, services), trust, evidence: evidenceOf(services) };
    },
  };
}

/** Opens an identity to sign with: the token is had first, so that whoever has none learns it before anything is asked. */
export async function openIdentity(context: CommandContext, request: SigningRequest): Promise<Signing> {
  const { io } = context;
  const { flags } = request;
  const services = await openServices(context, request, { log: true, timestamp: true });
  const { config, client, root } = services;
  const service = flags["fulcio-url"] ?? selectServices(config, "ca", io.now(), [1])[0]?.url;
  if (service === undefined)
    throw new TrustError("SIGNING_CONFIG_INVALID", "the signing configuration names no certificate authority", {
      expected: "caUrls, --fulcio-url URL, or --key KEY",
    });
  const url = addressOf(service, "--fulcio-url");
  const provider = flags["oidc-issuer"] ?? selectServices(config, "oidc", io.now(), [1])[0]?.url;
  const token = identitySource(context, flags, { client, provider });
  warn(context, request, services, (await token()).subject);
  const signer = await fulcioSigner({
    url,
    client,
    token,
    issuersOf: (leaf) => issuersIn(root, leaf),
    now: io.now,
    signal: io.signal,
  });
  const keys: readonly PublicKey[] = [];
  const trust: TrustMaterial = { revision: root.revision, keys, roots: [root] };
  return { signer, testify: testifyWith(context, services), trust, evidence: evidenceOf(services) };
}

/** Every kind of witness that is asked must be proved; two of one operator count as one. */
function evidenceOf({ logs, authorities }: Services): WitnessedEvidence {
  return { log: Math.min(1, logs.length), timestamp: Math.min(1, authorities.length) };
}

/** The trust root; where a certificate of one's own signs, with its authority added, which runs no certificate log. */
async function rootFor(signer: Signer, root: TrustRoot): Promise<TrustRoot> {
  const certificate = await signer.certificate?.();
  if (certificate === undefined) return root;
  const chain = certificate.issuers;
  const own = { uri: "", chain, window: { start: Number.NEGATIVE_INFINITY }, operator: "" };
  return { ...root, certificateAuthorities: [own], require: { ...root.require, sct: 0 } };
}

/** Which kinds of witness are wanted, beside those that are named. */
interface Wanted {
  readonly log: boolean;
  readonly timestamp: boolean;
}

async function openServices(context: CommandContext, request: SigningRequest, wanted: Wanted): Promise<Services> {
  const { io } = context;
  const { flags } = request;
  const config = await configOf(context, flags);
  const root = await openTrustRoot(flags["trusted-root"], trustRootContext(context));
  const client = await clientOf(context, request.caFile);
  const logs = wantedLogs(request, config, wanted.log, io.now());
  const stamps = wanted.timestamp ? selectServices(config, "timestamp", io.now(), [1]).map(({ url }) => url) : [];
  const places = flags["timestamp-url"].length > 0 ? flags["timestamp-url"] : stamps;
  requireAsked(flags, logs, places);
  if (flags.key === undefined || flags.cert !== undefined) requireTime(logs, places);
  return {
    config,
    client,
    root,
    logs: logs.map(({ url, apiVersion }) =>
      (apiVersion === 2 ? rekorV2 : rekorV1)(addressOf(url, "--rekor-url"), client),
    ),
    authorities: places.map((url) => timestampAuthority(addressOf(url, "--timestamp-url"), client)),
  };
}

type Log = Pick<Service, "url" | "apiVersion">;

function wantedLogs(
  { flags, formats }: SigningRequest,
  config: SigningConfig,
  isWanted: boolean,
  now: number,
): readonly Log[] {
  // Layers of .sig and .att tags have no place for entries of Rekor v2.
  const known = formats.includes("cosign") ? [1] : [1, 2];
  const apiVersion = Number(flags["rekor-version"]);
  if (flags["rekor-url"].length === 0) return isWanted ? selectServices(config, "log", now, known) : [];
  if (known.includes(apiVersion)) return flags["rekor-url"].map((url) => ({ url, apiVersion }));
  throw new TrustError("USAGE", "signatures under .sig and .att tags have no place for entries of Rekor v2", {
    expected: "--format bundle, or a log of Rekor v1",
  });
}

/** Said before anything stands in a log: a certificate is judged at a proved time, and entries of Rekor v2 prove none. */
function requireTime(logs: readonly Log[], authorities: readonly string[]): void {
  if (authorities.length > 0 || logs.length === 0 || logs.some(({ apiVersion }) => apiVersion === 1)) return;
  throw new TrustError("SIGNING_CONFIG_INVALID", "nothing would prove when the certificate was used", {
    expected: "a timestamp authority (--timestamp, --timestamp-url URL), or a log of Rekor v1",
    found: "logs of Rekor v2 alone",
  });
}

function testifyWith({ io }: CommandContext, { logs, authorities }: Services): Testify {
  return (witnessed) => askAll([...logs, ...authorities], witnessed, io.signal);
}

/** What is asked for by its flag is not left out because nobody is known for it. */
function requireAsked(flags: SigningRequest["flags"], logs: readonly Log[], authorities: readonly string[]): void {
  const missing =
    flags.tlog && logs.length === 0 ? "log" : flags.timestamp && authorities.length === 0 ? "timestamp" : "";
  if (missing === "") return;
  throw new TrustError("SIGNING_CONFIG_INVALID", `the signing configuration names no service for a ${missing}`, {
    expected: missing === "log" ? "a log, or --rekor-url URL" : "a timestamp authority, or --timestamp-url URL",
  });
}

const noServices: SigningConfig = {
  services: { ca: [], oidc: [], log: [], timestamp: [] },
  selectors: { log: { kind: "any" }, timestamp: { kind: "any" } },
};

/**
 * Without a file: what the trust root's repository says; for public-good, its services. Another root's signers are not sent to the
 * public services: whoever has a deployment of their own has their names kept within it.
 */
async function configOf(context: CommandContext, flags: SigningRequest["flags"]): Promise<SigningConfig> {
  const path = flags["signing-config"];
  const root = flags["trusted-root"];
  if (path !== undefined) {
    const bytes = await readSmallFile(context.resolvePath(path), "the signing configuration", maxConfig);
    return withCode("SIGNING_CONFIG_INVALID", () => parseSigningConfig(bytes), path);
  }
  const stored = await openSigningConfig(root, trustRootContext(context));
  if (stored !== undefined) return stored;
  if (root === defaultTrustRoot) return publicGoodServices;
  const isNamed = [flags["fulcio-url"] ?? [], flags["rekor-url"], flags["timestamp-url"]].flat().length > 0;
  if (isNamed) return noServices;
  throw new TrustError("SIGNING_CONFIG_INVALID", `no services are known for the trust root ${root}`, {
    expected: "--signing-config FILE, or --fulcio-url, --rekor-url and --timestamp-url",
  });
}

async function clientOf({ io, verbose, resolvePath }: CommandContext, caFile: string | undefined) {
  const ca =
    caFile === undefined
      ? undefined
      : (await readSmallFile(resolvePath(caFile), "the certificate authority")).toString();
  const onRequest = verbose
    ? ({ method, url, status }: { method: string; url: string; status?: number }) =>
        void io.stderr.write(`${method} ${url} ${status ?? "no answer"}\n`)
    : undefined;
  return createServiceClient({ ca, proxyEnv: io.env, userAgent: `trust/${programVersion()}`, onRequest });
}

function addressOf(text: string, flag: string): string {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  if (isPlain) return text;
  // Not repeated: what stands before an @ is a secret.
  throw new TrustError("USAGE", `${flag} is not the address of a service`, { expected: "https://HOST[/PATH]" });
}

/** The path from a certificate up to the root, as the trust root has it; verifiers of some forms want it beside the signature. */
async function issuersIn(root: TrustRoot, leaf: Certificate): Promise<readonly Certificate[]> {
  for (const { chain } of root.certificateAuthorities) {
    const anchor = chain.at(-1);
    if (anchor === undefined) continue;
    const path = { leaf, intermediates: chain.slice(0, -1), roots: [anchor], at: leaf.notBefore, eku: codeSigning };
    const found = await verifyPath(path).catch(unlessBug);
    if (found !== undefined) return found.chain.slice(1);
  }
  throw new TrustError(
    "CERTIFICATE_UNTRUSTED",
    `the certificate leads to no authority of the trust root ${root.name}`,
    {
      expected: [...new Set(root.certificateAuthorities.map(({ uri }) => uri))].join(", ").slice(0, 300),
      found: leaf.issuer.text.slice(0, 200),
      hint: "Name the trust root of the services that sign with --trusted-root",
    },
  );
}

function unlessBug(error: unknown): undefined {
  if (error instanceof TrustError) return undefined;
  throw error;
}

/** What is in a public log stays there: whoever sits before a terminal is told, once. */
function warn(
  context: CommandContext,
  { flags }: SigningRequest,
  { logs }: Services,
  identity: string | undefined,
): void {
  if (flags.yes || logs.length === 0 || !context.io.stderr.isTerminal) return;
  const hosts = logs.map(({ name }) => new URL(name).host).join(", ");
  const what = identity === undefined ? "This signature" : `This signature, and ${identity} as its signer,`;
  context.note(`${what} will stand in the log ${hosts}, where everybody may read it for ever. (--yes: do not say so.)`);
}
