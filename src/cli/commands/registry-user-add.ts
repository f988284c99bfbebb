import { defineCommand } from "../command.ts";
import { readSecret, secretOptions } from "../secret.ts";

export const command = defineCommand({
  name: "registry user add",
  summary: "add a user to a registry, or change the password",
  description:
    "Writes a user with a bcrypt hash of the password into the users file of a registry. A registry that runs follows " +
    "the file.",
  examples: [
    { about: "Asked for the password", command: "trust registry user add --users users ci" },
    { about: "In a script", command: "trust registry user add --users users --password-file secret.txt ci" },
  ],
  arguments: { name: { summary: "the user" } },
  options: {
    users: { value: "FILE", summary: "htpasswd file; made if missing", required: true, completes: "files" },
    ...secretOptions,
  },
  async run(context, { name }, options) {
    const { userAdd } = await import("../../registry/htpasswd.ts");
    const password = await readSecret(context, options, { what: `user ${name}`, isNew: true });
    const done = await userAdd(context.resolvePath(options.users), name, password);
    context.note(done === "added" ? `added the user ${name}` : `changed the password of ${name}`);
    return 0;
  },
});
