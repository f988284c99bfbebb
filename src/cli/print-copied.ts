import type { CopiedImage } from "../copy.ts";
import type { Output } from "./io.ts";
import { formatFinding, paint, plain } from "./print.ts";
import { formatBytes } from "./transfer-progress.ts";

/** What a copy came to, as text; `verb` says in which way. */
export function formatCopied(output: Output, verb: string, copied: CopiedImage): string {
  const { source, destination, digest, manifests, blobs, bytes, mounted, skipped } = copied;
  const sent =
    blobs + manifests === 0 ? [] : [["sent", `${counted(blobs + manifests, "item")}, ${formatBytes(bytes)}`]];
  const rows = [
    ["to", destination],
    ["digest", digest],
    ...sent,
    ...(mounted === 0 ? [] : [["linked", `${counted(mounted, "blob")} from another repository`]]),
    ...(skipped === 0 ? [] : [["there", counted(skipped, "item")]]),
    ["with", attachedTo(copied)],
  ];
  const lines = rows.map(([name = "", text = ""]) => `  ${name.padEnd(9)}${plain(text)}\n`);
  return `${paint(output, "green", "✔")} ${verb}  ${plain(source)}\n${lines.join("")}${formatLeftOut(output, copied)}`;
}

/** What could not be brought over, and why. */
export function formatLeftOut(output: Output, { leftOut }: Pick<CopiedImage, "leftOut">): string {
  return leftOut.map((finding) => formatFinding(output, finding, "  ")).join("");
}

/** `2 signatures, 1 attestation` */
export function attachedTo({ signatures, attestations, sboms, leftOut }: Omit<CopiedImage, "source" | "destination">) {
  const parts = [
    counted(signatures, "signature"),
    counted(attestations, "attestation"),
    ...(sboms === 0 ? [] : [counted(sboms, "SBOM")]),
    ...(leftOut.length === 0 ? [] : [`${leftOut.length} left out`]),
  ];
  return parts.join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
