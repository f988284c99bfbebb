import { defineCommand } from "../command.ts";
import { toJson } from "../print.ts";
import { programVersion } from "../version.ts";

export const command = defineCommand({
  name: "version",
  summary: "print the version",
  description: "Prints the version of trust, and of the Node.js it runs on.",
  examples: [{ about: "the version, for a script", command: "trust version --output json" }],
  arguments: {},
  options: {},
  async run({ io, output }) {
    const found = { version: programVersion(), node: io.nodeVersion };
    if (output === "table") io.stdout.write(`trust ${found.version} (Node.js ${found.node})\n`);
    else io.stdout.write(`${toJson(output === "json" ? [found] : found)}\n`);
    return 0;
  },
});
