import { TrustError } from "../../errors.ts";
import { credentialOf } from "../../oci/credential.ts";
import { storeCredential } from "../../oci/credential-store.ts";
import { checkLogin } from "../../oci/login.ts";
import { parseRegistryHost } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { connectionOf, credentialPlaces, registryOptions } from "../registry.ts";
import { readSecret, secretOptions } from "../secret.ts";

export const command = defineCommand({
  name: "login",
  summary: "keep credentials for a registry",
  description:
    "Asks the registry whether it accepts the user and password, and keeps them where Docker does: in the credential " +
    "helper that its config.json names, else in that file. docker, skopeo, crane, oras and cosign use the same.",
  examples: [
    { about: "Asked for the password", command: "trust login --username alice registry.example.com" },
    {
      about: "In CI",
      command: 'printf %s "$REGISTRY_TOKEN" | trust login --username ci --password-stdin registry.example.com',
    },
  ],
  arguments: { host: { summary: "the registry, HOST[:PORT]" } },
  options: {
    username: {
      short: "u",
      value: "NAME",
      summary: "the user; <token> says that the password is an identity token",
      required: true,
    },
    ...secretOptions,
    ...registryOptions,
  },
  async run(context, { host }, options) {
    const registry = parseRegistryHost(host);
    const { username } = options;
    const secret = await readSecret(context, options, { what: `user ${username} of ${registry}` });
    const credential = credentialOf(username, secret);
    if (credential === undefined) throw new TrustError("USAGE", "the password is empty");
    const { credentials: _, ...connection } = await connectionOf(context, options);
    const answer = await checkLogin(registry, credential, { ...connection, signal: context.io.signal });
    if (answer === "not-asked") context.note(`${registry} asked for no credentials, so they are not checked`);
    const { where, plain } = await storeCredential(credentialPlaces(context), registry, credential);
    context.note(`signed in to ${registry}; kept in ${where}${plain ? ", not encrypted" : ""}`);
    return 0;
  },
});
