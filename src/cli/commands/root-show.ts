import { openTrustRoot } from "../../trust/open.ts";
import { defineCommand } from "../command.ts";
import { formatRoot, type PrintedRoot, toPrintedRoot } from "../print-root.ts";
import { createResults } from "../results.ts";
import { trustRootContext } from "../trust-roots.ts";

export const command = defineCommand({
  name: "root show",
  summary: "print what a trust root believes",
  description:
    "Prints the certificate authorities, logs and timestamp authorities of a trust root with the times they are believed " +
    "for, the evidence it asks for, where it comes from and when it expires.",
  examples: [
    { about: "The root of Sigstore's public deployment, as it is in use here", command: "trust root show" },
    { about: "A file, before it is added", command: "trust root show ./trusted_root.json" },
  ],
  arguments: {
    root: { summary: "name or file of a trust root, public-good by default", optional: true, completes: "files" },
  },
  options: {},
  async run(context, args) {
    const root = await openTrustRoot(args.root ?? "public-good", trustRootContext(context));
    const results = createResults<PrintedRoot>(context, (printed) => formatRoot(context.io.stdout, printed));
    results.add(toPrintedRoot(root, context.io.now()), 0);
    results.end();
    return 0;
  },
});
