import { certificateClaims } from "./certificate.ts";
import { bytesOf, memberOf, objectsOf, present, textOf } from "./loose.ts";

type Says = Readonly<Record<string, unknown>>;

/** What a trusted_root.json names (sigstore/protobuf-specs, sigstore_trustroot.proto); whether to believe it is asked elsewhere. */
export function trustedRootClaims(root: unknown): Says {
  return {
    ...present({ mediaType: textOf(memberOf(root, "mediaType"), 200) }),
    logs: objectsOf(memberOf(root, "tlogs")).map(logClaims),
    certificateAuthorities: objectsOf(memberOf(root, "certificateAuthorities")).map(authorityClaims),
    certificateLogs: objectsOf(memberOf(root, "ctlogs")).map(logClaims),
    timestampAuthorities: objectsOf(memberOf(root, "timestampAuthorities")).map(authorityClaims),
  };
}

function logClaims(log: unknown): Says {
  return present({
    url: textOf(memberOf(log, "baseUrl"), 500),
    logId: bytesOf(memberOf(log, "logId", "keyId"))?.toString("hex"),
    key: textOf(memberOf(log, "publicKey", "keyDetails"), 100),
    ...validity(memberOf(log, "publicKey", "validFor")),
  });
}

function authorityClaims(authority: unknown): Says {
  const certificates = objectsOf(memberOf(authority, "certChain", "certificates"), 10);
  return present({
    name: textOf(memberOf(authority, "subject", "commonName"), 200),
    organization: textOf(memberOf(authority, "subject", "organization"), 200),
    url: textOf(memberOf(authority, "uri"), 500),
    ...validity(memberOf(authority, "validFor")),
    certificates: certificates.flatMap(({ rawBytes }) => bytesOf(rawBytes) ?? []).map(certificateClaims),
  });
}

function validity(period: unknown): Says {
  return { from: textOf(memberOf(period, "start"), 50), until: textOf(memberOf(period, "end"), 50) };
}
