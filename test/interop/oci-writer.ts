// One of many processes that add to one list at once: HOST REPOSITORY SUBJECT(JSON) NUMBER index|layers
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { attachSignatureLayer } from "../../src/oci/signature-tag.ts";
import { descriptorOf, makeReferrer } from "../oci/artifacts.ts";

const [host, repository, subjectJson = "{}", number = "0", form] = process.argv.slice(2);
const name = parseRepository(`${host}/${repository}`);
const subject = JSON.parse(subjectJson);
let requests = 0;
const registry = createHttpRegistry({ onRequest: () => requests++ });
const started = performance.now();
if (form === "index") {
  const referrer = makeReferrer(subject, `signer ${number}`);
  for (const blob of referrer.blobs) await registry.pushBlob(name, blobOf(blob, digestOf(blob)));
  const descriptor = {
    ...referrer.descriptor,
    artifactType: "application/vnd.test.signature",
    annotations: { text: number },
  };
  await attachReferrer(registry, name, { ...referrer, descriptor }, subject.digest);
} else {
  const payload = Buffer.from(`payload for ${subject.digest}`);
  await registry.pushBlob(name, blobOf(payload, digestOf(payload)));
  const layer = {
    ...descriptorOf(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
    annotations: { "dev.cosignproject.cosign/signature": `signer ${number}` },
  };
  await attachSignatureLayer(registry, name, `${referrersTag(subject.digest)}.sig`, layer);
}
console.log(JSON.stringify({ requests, ms: Math.round(performance.now() - started) }));
