import { defineCommand } from "../command.ts";
import { serverOptions, serveUntilStopped } from "../serve.ts";

export const command = defineCommand({
  name: "registry serve",
  summary: "run the built-in registry",
  description:
    "Serves an OCI registry whose content is in a folder. The first line on standard output says where it listens. " +
    "Without --users it listens on loopback only and everybody on this machine has all rights; with users and TLS it " +
    "may listen anywhere. --config FILE (YAML) gives rights per repository, notifications and limits. SIGTERM lets " +
    "requests under way finish and ends with 0.",
  examples: [
    { about: "For this machine", command: "trust registry serve --storage ./registry" },
    {
      about: "For others",
      command:
        "trust registry serve --storage /var/lib/registry --listen :5000 --users users --tls-cert tls.crt --tls-key tls.key",
    },
  ],
  arguments: {},
  options: {
    storage: {
      value: "FOLDER",
      summary: "where content is kept; made if missing",
      required: true,
      completes: "folders",
    },
    ...serverOptions,
    listen: { ...serverOptions.listen, default: "127.0.0.1:5000" },
    users: { value: "FILE", summary: "htpasswd file with bcrypt hashes; turns access control on", completes: "files" },
    config: { value: "FILE", summary: "rights, notifications and limits, YAML", completes: "files" },
  },
  serves: true,
  async run(context, _args, options) {
    const { startRegistry } = await import("../../registry/server.ts");
    const path = (name: string | undefined) => (name === undefined ? undefined : context.resolvePath(name));
    const server = await startRegistry({
      storage: context.resolvePath(options.storage),
      listen: options.listen,
      tlsCert: path(options["tls-cert"]),
      tlsKey: path(options["tls-key"]),
      users: path(options.users),
      config: path(options.config),
      log: context.quiet ? undefined : context.io.stderr,
    });
    return serveUntilStopped(context, server);
  },
});
