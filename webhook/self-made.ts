import { createPublicKey, type X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { TrustError, writeNewFiles } from "../src/index.ts";
import { parseCertificate, parseKey, readPair, readText, type ServingCertificate } from "./certificate-files.ts";
import type { Issuer } from "./issue.ts";

/** The files of a certificate folder. */
export interface CertificateFiles {
  readonly folder: string;
  readonly ca: string;
  readonly caKey: string;
  readonly cert: string;
  readonly key: string;
}

export interface SelfMadeOptions {
  /** DNS names and IP addresses of the certificate. */
  readonly hosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const day = 24 * 3600 * 1000;
const clockSkew = 5 * 60 * 1000;
const caLifetime = 3650 * day;
const servingLifetime = 90 * day;
const renewBefore = 30 * day;

export function filesIn(folder: string): CertificateFiles {
  const at = (name: string) => join(folder, name);
  return { folder, ca: at("ca.crt"), caKey: at("ca.key"), cert: at("tls.crt"), key: at("tls.key") };
}

/**
 * The certificate of a folder of our own: made there when it is missing, broken, about to expire or for other names.
 * The CA key stays beside it (0600), because a new CA would have to be made known to the API server at every renewal;
 * all that it can be misused for is to pose as this webhook, which `tls.key` alone could do as well.
 */
export async function selfMade(files: CertificateFiles, options: SelfMadeOptions): Promise<ServingCertificate> {
  const now = options.now();
  const issuer = await certificateAuthority(files, now);
  const present = await presentCertificate(files, issuer, options.hosts, now);
  if (present !== undefined) return present;
  const validity = { from: now - clockSkew, until: now + servingLifetime };
  const { issueServing } = await import("./issue.ts");
  const { certificate, key } = issueServing(issuer, options.hosts, validity);
  const made = [
    { path: files.key, content: key, mode: 0o600 },
    { path: files.cert, content: certificate, mode: 0o644 },
  ];
  await writeNewFiles(made, { replace: true });
  return { cert: certificate, key, expires: validity.until };
}

/** The CA of the folder. Its certificate is made again with the same key before it could expire under what it issues. */
async function certificateAuthority(files: CertificateFiles, now: number): Promise<Issuer> {
  if (!existsSync(files.caKey)) await makeCaKey(files);
  const key = parseKey(files.caKey, await readText(files.caKey, "the key of the CA"));
  const present = existsSync(files.ca) ? await readText(files.ca, "the certificate of the CA") : "";
  const parsed = parseCertificate(present);
  const lasts = (parsed?.validToDate.getTime() ?? 0) > now + 2 * servingLifetime;
  if (lasts && parsed?.ca === true && parsed.checkPrivateKey(key)) return { certificate: present, key };
  const { issueCa } = await import("./issue.ts");
  const certificate = issueCa(key, { from: now - clockSkew, until: now + caLifetime });
  await writeNewFiles([{ path: files.ca, content: certificate, mode: 0o644 }], { replace: true });
  return { certificate, key };
}

async function makeCaKey({ folder, ca, caKey }: CertificateFiles): Promise<void> {
  if (existsSync(ca))
    throw new TrustError("CONFIG_INVALID", `${folder} has a ca.crt but neither its key nor a certificate`, {
      expected: "an empty folder, or one with ca.crt, tls.crt and tls.key",
    });
  const { newKey } = await import("./issue.ts");
  const content = newKey().export({ type: "pkcs8", format: "pem" }).toString();
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeNewFiles([{ path: caKey, content, mode: 0o600 }]);
  } catch (cause) {
    if (cause instanceof TrustError && cause.code === "FILE_EXISTS") return; // Another process was first: its key counts.
    throw cause instanceof TrustError
      ? cause
      : new TrustError("FILE_UNWRITABLE", `the folder ${folder} cannot be made`, { cause });
  }
}

/** The certificate in the folder, if it can still be served under these names. */
async function presentCertificate(
  files: CertificateFiles,
  issuer: Issuer,
  hosts: readonly string[],
  now: number,
): Promise<ServingCertificate | undefined> {
  try {
    const pair = await readPair(files.cert, files.key);
    const parsed = parseCertificate(pair.cert);
    return parsed !== undefined && isGood(parsed, issuer, hosts, now) ? pair : undefined;
  } catch {
    // Missing, or half written when a process ended.
    return undefined;
  }
}

function isGood(certificate: X509Certificate, issuer: Issuer, hosts: readonly string[], now: number): boolean {
  const named = (host: string) => (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined;
  return (
    certificate.verify(createPublicKey(issuer.key)) &&
    certificate.validFromDate.getTime() <= now &&
    certificate.validToDate.getTime() > now + renewBefore &&
    hosts.every(named)
  );
}
