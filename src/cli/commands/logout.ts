import { eraseCredential } from "../../oci/credential-store.ts";
import { parseRegistryHost } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { credentialPlaces } from "../registry.ts";

export const command = defineCommand({
  name: "logout",
  summary: "forget the credentials for a registry",
  description: "Removes the credentials for a registry from Docker's config.json or the helper that it names.",
  examples: [{ about: "One registry", command: "trust logout registry.example.com" }],
  arguments: { host: { summary: "the registry, HOST[:PORT]" } },
  options: {},
  async run(context, { host }) {
    const registry = parseRegistryHost(host);
    const erased = await eraseCredential(credentialPlaces(context), registry);
    context.note(erased ? `forgot the credentials for ${registry}` : `there were no credentials for ${registry}`);
    return 0;
  },
});
