import { TrustError } from "../../errors.ts";

/** `kms://` is what older versions of policy-controller took in examples of their own. */
const providers = ["awskms://", "azurekms://", "hashivault://", "gcpkms://", "kms://"];
const uuid = "(?:mrk-)?[A-Fa-f0-9]{8}-?(?:[A-Fa-f0-9]{4}-?){3}[A-Fa-f0-9]{12}";
const arn = "arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:\\d{12}:";
const aws = new RegExp(`^awskms://(?:[^/:]+:\\d+)?/(?:${uuid}|${arn}key/${uuid}|(?:${arn})?alias/.+)$`);

/** Holds a reference to a key in a KMS to the forms that policy-controller takes. Throws `POLICY_INVALID`. */
export function checkKms(reference: string): void {
  if (!providers.some((prefix) => reference.startsWith(prefix)))
    throw new TrustError("POLICY_INVALID", "a key management service that is not known", {
      expected: `a reference that starts with ${providers.join(" or ")}`,
      found: JSON.stringify(reference.slice(0, 200)),
    });
  if (reference.startsWith("awskms://") && !aws.test(reference))
    throw new TrustError("POLICY_INVALID", "not a reference to a key of AWS KMS", {
      expected: "awskms://[HOST:PORT]/ID, or an ARN or alias in the place of ID",
      found: JSON.stringify(reference.slice(0, 200)),
    });
}
