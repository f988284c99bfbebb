import { getBuiltinModule } from "node:process";

/** Bytes between two collections: what lies between them is memory that a copy takes without needing it. */
const every = 4 * 1024 * 1024;
/** Small images are done before any memory is worth freeing. */
const from = 16 * 1024 * 1024;

/**
 * To be told of bytes that have passed through. Node reads the network into new buffers and frees them late: without this
 * a copy of any size takes 100 MB more, and the memory that is always new makes it slower.
 */
export function createSweeper(): (bytes: number) => void {
  let collect: ((options: { type: "minor" }) => void) | undefined;
  let [seen, since] = [0, 0];
  return (bytes) => {
    seen += bytes;
    since += bytes;
    if (since < every || seen < from) return;
    since = 0;
    collect ??= collector();
    collect({ type: "minor" });
  };
}

function collector(): (options: { type: "minor" }) => void {
  const { setFlagsFromString } = getBuiltinModule("node:v8");
  setFlagsFromString("--expose-gc");
  // There is next to nothing to collect each time: waking other threads for it costs more than it saves.
  setFlagsFromString("--no-parallel-scavenge");
  const found: unknown = getBuiltinModule("node:vm").runInNewContext("gc");
  return typeof found === "function" ? (options) => void found(options) : () => {};
}
