import { TrustError } from "../../errors.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "registry user remove",
  summary: "remove a user from a registry",
  description:
    "Takes a user out of the users file of a registry. A registry that runs refuses the user within a second.",
  examples: [{ about: "A user who has left", command: "trust registry user remove --users users alice" }],
  arguments: { name: { summary: "the user" } },
  options: { users: { value: "FILE", summary: "htpasswd file", required: true, completes: "files" } },
  async run(context, { name }, options) {
    const { userRemove } = await import("../../registry/htpasswd.ts");
    if (!(await userRemove(context.resolvePath(options.users), name)))
      throw new TrustError("CONFIG_INVALID", `${options.users} has no user ${name}`, {
        hint: "Check the name and the file",
      });
    context.note(`removed the user ${name}`);
    return 0;
  },
});
