import { digestHex, digestOf } from "../../crypto/digest.ts";
import { parseCertificates } from "../../crypto/x509-pem.ts";
import { asTrustError } from "../../errors.ts";
import type { Path, SourceDocument } from "../document.ts";
import { trustedRootOf } from "../foreign/trust-root.ts";
import type { ContainersPolicy, Requirement, SigstoreSigned } from "./containers-schema.ts";
import { type Draft, type Ledger, type NativeImages, nativeGlob, objectNameOf, refusing } from "./draft.ts";

/** Reads a file that a policy names. */
export type ReadNamedFile = (path: string) => Promise<string>;

/** A scope of the docker transport, and what it asks for. */
interface Scope {
  readonly name: string;
  readonly requirements: readonly Requirement[];
  readonly path: Path;
}

/**
 * Native policies that refuse all that a containers policy.json refuses. The narrowest scope decides there, all matching
 * policies do here: so each policy excludes the narrower scopes, as far as a glob can name them. Every requirement of a
 * scope becomes a policy, since all must hold.
 */
export async function importContainersPolicy(
  policy: ContainersPolicy,
  document: SourceDocument,
  ledger: Ledger,
  readFile: ReadNamedFile | undefined,
): Promise<readonly Draft[]> {
  const { docker = {}, ...others } = policy.transports ?? {};
  for (const transport of Object.keys(others))
    ledger.lose(
      ["transports", transport],
      `the transport ${transport} has no equivalent`,
      "only images of registries are judged",
    );
  const scopes: Scope[] = Object.entries(docker).map(([name, requirements]) => ({
    name,
    requirements,
    path: ["transports", "docker", name],
  }));
  if (!scopes.some(({ name }) => name === ""))
    scopes.push({ name: "", requirements: policy.default, path: ["default"] });
  const drafts: Draft[] = [];
  for (const scope of scopes) {
    const images = imagesOf(scope, scopes, ledger);
    for (const [index, requirement] of scope.requirements.entries()) {
      const name = objectNameOf(
        "containers",
        scope.name === "" ? "default" : scope.name,
        ...(scope.requirements.length > 1 ? [index] : []),
      );
      const path = [...scope.path, index];
      const made = await rulesOf(requirement, { name, path, scope: scope.name, ledger, readFile });
      const from = document.placeOf(path);
      drafts.push({ kind: "ClusterTrustPolicy", name, spec: { mode: "enforce", ...images, ...made.spec }, from });
      if (made.root !== undefined) drafts.push({ kind: "TrustRoot", name, spec: made.root, from });
    }
  }
  return drafts;
}

function imagesOf(scope: Scope, scopes: readonly Scope[], ledger: Ledger): NativeImages {
  const narrower = scopes.filter(({ name }) => name !== scope.name && isWithin(name, scope.name));
  const exclude = narrower.flatMap(({ name, path }) => {
    const globs = globsOf(name);
    if (globs !== undefined && globs.tags === undefined) return globs.globs;
    const outer = scope.name === "" ? "the default" : scope.name;
    ledger.lose(path, `${name} cannot be taken out of ${outer}`, `what ${outer} asks for is asked of ${name} as well`);
    return [];
  });
  const own = globsOf(scope.name);
  if (own === undefined) {
    ledger.lose(scope.path, `the scope ${scope.name} has no equivalent`, "what it asks for is asked of all images");
    return { images: [{ glob: "**" }] };
  }
  const images = own.globs.map((glob) => (own.tags === undefined ? { glob } : { glob, tags: own.tags }));
  return { images, ...(exclude.length === 0 ? {} : { exclude }) };
}

/** Whether the scope `name` is narrower than `outer`: they are looked up from the whole name to the host, then by `*.`. */
function isWithin(name: string, outer: string): boolean {
  if (outer === "") return name !== "";
  if (outer.startsWith("*.")) {
    const host = name.split("/", 1)[0] ?? "";
    return host.replace(/:\d+$/, "").endsWith(outer.slice(1)) && name !== outer;
  }
  return name.startsWith(`${outer}/`) || name.startsWith(`${outer}:`) || name.startsWith(`${outer}@`);
}

function globsOf(scope: string): { readonly globs: readonly string[]; readonly tags?: readonly string[] } | undefined {
  if (scope === "") return { globs: ["**"] };
  if (scope.includes("@")) return undefined;
  const slash = scope.indexOf("/");
  if (slash < 0) {
    const glob = nativeGlob(`${scope}/**`);
    return glob === undefined ? undefined : { globs: [glob] };
  }
  const colon = scope.lastIndexOf(":");
  const tag = colon > scope.lastIndexOf("/") ? scope.slice(colon + 1) : undefined;
  const base = nativeGlob(tag === undefined ? scope : scope.slice(0, colon));
  const below = nativeGlob(`${scope}/**`);
  if (base === undefined) return undefined;
  if (tag !== undefined) return { globs: [base], tags: [tag] };
  return below === undefined ? undefined : { globs: [base, below] };
}

interface Asked {
  readonly name: string;
  readonly path: Path;
  readonly scope: string;
  readonly ledger: Ledger;
  readonly readFile: ReadNamedFile | undefined;
}

interface Made {
  readonly spec: object;
  readonly root?: Readonly<Record<string, unknown>>;
}

async function rulesOf(requirement: Requirement, asked: Asked): Promise<Made> {
  switch (requirement.type) {
    case "insecureAcceptAnything":
      return {
        spec: {
          authorities: [
            { name: "anything", static: { action: "pass", message: "insecureAcceptAnything in policy.json" } },
          ],
        },
      };
    case "reject":
      return {
        spec: { authorities: [{ name: "reject", static: { action: "fail", message: "rejected by policy.json" } }] },
      };
    case "signedBy":
      return refused(asked, asked.path, "signedBy: signatures by GPG");
    case "sigstoreSigned":
      try {
        return await signedRules(requirement, asked);
      } catch (error) {
        const { message } = asTrustError(error);
        return refused(asked, asked.path, `keys or certificates that cannot be read (${message})`);
      }
  }
}

function refused({ ledger }: Asked, path: Path, what: string): Made {
  ledger.lose(path, `${what} has no equivalent`, "every image of the scope is refused");
  return { spec: { authorities: [refusing(what)] } };
}

async function signedRules(signed: SigstoreSigned, asked: Asked): Promise<Made> {
  const identity = identityOf(signed, asked);
  if (identity === undefined)
    return refused(asked, [...asked.path, "signedIdentity"], `signedIdentity ${signed.signedIdentity?.type}`);
  const logKeys = await textsOf(
    asked,
    [signed.rekorPublicKeyPath, signed.rekorPublicKeyPaths],
    [signed.rekorPublicKeyData, signed.rekorPublicKeyDatas],
  );
  const tLogs = logKeys.map((pem) => ({ baseURL: logUrl(pem), hashAlgorithm: "sha256", publicKey: encode(pem) }));
  const { fulcio, pki } = signed;
  if (pki !== undefined) return pkiRules(pki, identity, asked);
  if (fulcio !== undefined) {
    const [pem = ""] = await textsOf(asked, [fulcio.caPath], [fulcio.caData]);
    const subject = { organization: "containers-policy", commonName: "fulcio" };
    // Each certificate is an anchor of its own, as it is there.
    const certificateAuthorities = parseCertificates(pem).map(({ raw }) => ({
      subject,
      uri: "",
      certChain: encode(toPem(raw)),
    }));
    const keyless = {
      trustRoot: asked.name,
      identities: [{ issuer: fulcio.oidcIssuer, subject: fulcio.subjectEmail }],
      require: { log: true },
    };
    return {
      spec: { authorities: [{ name: "fulcio", keyless }], ...identity },
      root: { trustedRoot: trustedRootOf({ certificateAuthorities, tLogs }) },
    };
  }
  const keys = await textsOf(asked, [signed.keyPath, signed.keyPaths], [signed.keyData, signed.keyDatas]);
  const logged = tLogs.length === 0 ? {} : { trustRoot: asked.name, require: { log: true } };
  const authorities = keys.map((data, index) => ({
    name: keys.length === 1 ? "key" : `key-${index}`,
    key: { data, ...logged },
  }));
  return {
    spec: { authorities, ...identity },
    ...(tLogs.length === 0 ? {} : { root: { trustedRoot: trustedRootOf({ tLogs }) } }),
  };
}

async function pkiRules(pki: NonNullable<SigstoreSigned["pki"]>, identity: object, asked: Asked): Promise<Made> {
  const { subjectEmail, subjectHostname } = pki;
  if (subjectEmail !== undefined && subjectHostname !== undefined)
    return refused(asked, [...asked.path, "pki"], "a certificate that must name both an address and a host");
  const [roots = ""] = await textsOf(asked, [pki.caRootsPath], [pki.caRootsData]);
  const [intermediates] = await textsOf(asked, [pki.caIntermediatesPath], [pki.caIntermediatesData]);
  const identities = [
    subjectEmail === undefined ? { san: subjectHostname, type: "dns" } : { san: subjectEmail, type: "email" },
  ];
  const certificate = { roots, ...(intermediates === undefined ? {} : { intermediates }), identities };
  return { spec: { authorities: [{ name: "pki", certificate }], ...identity } };
}

/** How names inside signatures are compared; nothing where native policies would take more. */
function identityOf({ signedIdentity }: SigstoreSigned, { scope }: Asked): object | undefined {
  switch (signedIdentity?.type ?? "matchRepoDigestOrExact") {
    case "matchRepoDigestOrExact":
      return { signedIdentity: "exact" };
    case "matchRepository":
      return { signedIdentity: "repository" };
    case "exactRepository":
      // The repository itself, and a name below the scope would be another.
      return signedIdentity?.type === "exactRepository" && scope.startsWith(`${signedIdentity.dockerRepository}:`)
        ? { signedIdentity: "repository" }
        : undefined;
    default:
      return undefined;
  }
}

type Texts = readonly (string | readonly string[] | undefined)[];

async function textsOf({ readFile }: Asked, paths: Texts, data: Texts): Promise<readonly string[]> {
  const decoded = data.flatMap((one) => one ?? []).map((text) => Buffer.from(text, "base64").toString("utf8"));
  const read: string[] = [];
  for (const path of paths.flatMap((one) => one ?? [])) {
    if (readFile === undefined) throw new Error("files are not read");
    read.push(await readFile(path));
  }
  return [...decoded, ...read];
}

function encode(pem: string): string {
  return Buffer.from(pem).toString("base64");
}

function toPem(raw: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${raw.toString("base64")}\n-----END CERTIFICATE-----\n`;
}

/** Logs of one operator count once; policy.json names none, so that each key is one. */
function logUrl(pem: string): string {
  return `https://log-${digestHex(digestOf(Buffer.from(pem))).slice(0, 16)}.invalid`;
}
