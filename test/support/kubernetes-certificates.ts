import { randomBytes } from "node:crypto";
import { integer, sequence, tlv } from "../crypto/der.ts";
import {
  attribute,
  authorityKeyId,
  basicConstraints,
  dns,
  ecKey,
  eku,
  type Issued,
  ip,
  issue,
  keyUsage,
  pemOf,
  san,
  subjectKeyId,
} from "./x509.ts";

/** A certificate and its private key, both PEM. */
export interface Credential {
  readonly cert: string;
  readonly key: string;
}

/** The throw-away CA of one cluster. */
export interface ClusterCa {
  /** PEM. */
  readonly cert: string;
  /** A serving certificate for loopback and for the names the API server has inside a cluster. */
  serving(): Credential;
  /** The certificate of a client; the API server takes the user from CN and the groups from O. */
  client(user: string, groups: readonly string[]): Credential;
}

const serverAuth = "1.3.6.1.5.5.7.3.1";
const clientAuth = "1.3.6.1.5.5.7.3.2";
const hour = 3_600_000;
const hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(dns);
const addresses = [ip(127, 0, 0, 1), ip(10, 0, 0, 1)];

/** Makes a CA that lasts a day. */
export function createClusterCa(): ClusterCa {
  const key = ecKey();
  const parts = { serial: integer(BigInt(`0x40${randomBytes(15).toString("hex")}`)) };
  const lifetime = { notBefore: Date.now() - hour, notAfter: Date.now() + 24 * hour };
  const extensions = [basicConstraints(true), keyUsage(0, 5, 6), subjectKeyId(key)];
  const ca = issue({ subject: "test cluster CA", key, parts, ...lifetime, extensions });
  return {
    cert: pemOf(ca),
    serving: () => leafOf(ca, nameOf("kube-apiserver", []), [eku(serverAuth), san([...hosts, ...addresses])]),
    client: (user, groups) => leafOf(ca, nameOf(user, groups), [eku(clientAuth)]),
  };
}

function leafOf(issuer: Issued, subject: Buffer, purpose: readonly Uint8Array[]): Credential {
  const key = ecKey();
  const leaf = issue({
    ...{ issuer, key, notBefore: Date.now() - hour, notAfter: Date.now() + 23 * hour },
    parts: { subject, serial: integer(BigInt(`0x40${randomBytes(15).toString("hex")}`)) },
    extensions: [basicConstraints(false), keyUsage(0), subjectKeyId(key), authorityKeyId(issuer.key), ...purpose],
  });
  return { cert: pemOf(leaf), key: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

function nameOf(user: string, groups: readonly string[]): Buffer {
  return sequence(...groups.map((group) => tlv(0x31, attribute("O", group))), tlv(0x31, attribute("CN", user)));
}
