import { canonicalBodyV2, type RekorV2, tileAt } from "./rekor-v2.ts";
import type { Handler } from "./service.ts";

/** The HTTP interface of Rekor v2: one route that writes, and static tiles (C2SP tlog-tiles). */
export function rekorV2Api(log: RekorV2): Handler {
  return ({ method, path, body }) => {
    if (method === "GET") {
      const tile = tileAt(log, path.replace(/^\/(?:api\/v2\/)?/, ""));
      return tile && { status: 200, type: "application/octet-stream", body: tile };
    }
    if (method !== "POST" || path !== "/api/v2/log/entries") return undefined;
    const canonical = canonicalBodyV2(JSON.parse(body.toString()));
    if (log.tree.indexOf(Buffer.from(canonical)) !== undefined)
      return { status: 409, body: { code: 6, message: "an equivalent entry already exists" } };
    return { status: 201, body: log.entry(log.append(canonical)) };
  };
}
