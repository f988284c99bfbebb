import { generateKeyPairSync } from "node:crypto";
import forge from "node-forge";

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority extends TestCertificate {
  /** A certificate for these names and addresses; without any, one for a client. */
  issue(commonName: string, names?: readonly string[]): TestCertificate;
}

/** A certificate authority of a test's own. */
export function createAuthority(): TestAuthority {
  const ca = keyPair();
  const subject = [{ name: "commonName", value: "Test CA" }];
  const cert = certificate(ca.publicKey, subject, subject);
  cert.setExtensions([{ name: "basicConstraints", cA: true, critical: true }]);
  cert.sign(ca.privateKey, forge.md.sha256.create());
  return {
    cert: forge.pki.certificateToPem(cert),
    key: ca.pem,
    issue(commonName, names = []) {
      const leaf = keyPair();
      const own = certificate(leaf.publicKey, [{ name: "commonName", value: commonName }], subject);
      const altNames = names.map((name) => (/^[\d.]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name }));
      own.setExtensions([
        { name: "basicConstraints", cA: false },
        ...(altNames.length === 0 ? [] : [{ name: "subjectAltName", altNames }]),
      ]);
      own.sign(ca.privateKey, forge.md.sha256.create());
      return { cert: forge.pki.certificateToPem(own), key: leaf.pem };
    },
  };
}

function keyPair() {
  // Forge's own key generation takes seconds.
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
  return {
    pem,
    privateKey: forge.pki.privateKeyFromPem(pem),
    publicKey: forge.pki.publicKeyFromPem(publicKey.export({ type: "spki", format: "pem" }).toString()),
  };
}

type Name = forge.pki.CertificateField[];
let serial = 1;

function certificate(publicKey: forge.pki.PublicKey, subject: Name, issuer: Name): forge.pki.Certificate {
  const cert = forge.pki.createCertificate();
  cert.publicKey = publicKey;
  cert.serialNumber = (serial++).toString(16).padStart(2, "0");
  cert.validity.notBefore = new Date(Date.now() - 60_000);
  cert.validity.notAfter = new Date(Date.now() + 3_600_000);
  cert.setSubject(subject);
  cert.setIssuer(issuer);
  return cert;
}
