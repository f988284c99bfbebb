import { defineCommand } from "../command.ts";
import { createResults } from "../results.ts";
import { programVersion } from "../version.ts";

export const command = defineCommand({
  name: "version",
  summary: "print the version",
  description: "Prints the version of trust, and of the Node.js it runs on.",
  examples: [{ about: "the version, for a script", command: "trust version --output json" }],
  arguments: {},
  options: {},
  async run(context) {
    const found = { version: programVersion(), node: context.io.nodeVersion };
    const results = createResults<typeof found>(context, ({ version, node }) => `trust ${version} (Node.js ${node})\n`);
    results.add(found, 0);
    results.end();
    return 0;
  },
});
