import { TrustError } from "../../errors.ts";
import { knownRepository } from "../../trust/embedded.ts";
import { defineCommand } from "../command.ts";
import { forgetRoot, trustRootContext } from "../trust-roots.ts";

export const command = defineCommand({
  name: "root remove",
  summary: "forget a trust root",
  description:
    "Forgets a trust root that was added. Of a root that is known without being added, what was fetched is forgotten, and with " +
    "it the protection against older versions.",
  examples: [{ about: "A root that is not used any more", command: "trust root remove acme" }],
  arguments: { name: { summary: "the name of the trust root" } },
  options: {},
  async run(context, { name }) {
    if (await forgetRoot(trustRootContext(context).folder, name)) {
      context.note(`forgot the trust root ${name}`);
      return 0;
    }
    const isKnown = knownRepository(name) !== undefined;
    throw new TrustError("TRUST_ROOT_NOT_FOUND", `the trust root ${name} is not kept`, {
      expected: "the name of a root that was added or updated",
      ...(isKnown ? { hint: "It is part of the program" } : {}),
    });
  },
});
