import { startRegistry } from "../../../src/registry/server.ts";

// A registry in a process of its own, for the tests that end it suddenly or measure it.
const [storage = "", users] = process.argv.slice(2);
const server = await startRegistry({ storage, listen: "127.0.0.1:0", users });
process.send?.({ url: server.url });
process.on("message", () => {
  const { rss, external } = process.memoryUsage();
  process.send?.({ rss, external, peak: process.resourceUsage().maxRSS * 1024 });
});
process.on("SIGTERM", () => void server.close().then(() => process.exit(0)));
process.on("disconnect", () => process.exit(1));
