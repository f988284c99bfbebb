import { claimedSigner } from "../attached/item.ts";
import type { Judgement } from "../attached/judgement.ts";
import type { ImageTree, TreeItem, TreeNode } from "../tree.ts";
import type { Output } from "./io.ts";
import { formatFindings, paint, plain } from "./print.ts";
import { formatBytes } from "./transfer-progress.ts";

/** A line of the tree, more lines about it, and what hangs on it. */
interface Branch {
  readonly title: string;
  readonly details: readonly string[];
  readonly branches: readonly Branch[];
}

/** Everything that hangs on an image, drawn as a tree; what is not proved is marked as said. */
export function formatTree(output: Output, tree: ImageTree): string {
  const { image, digest, children, findings } = tree;
  const branches = [
    ...tree.attached.map((item) => branchOf(output, item)),
    ...children.map((child) => branchOfChild(output, child)),
  ];
  const head = `${paint(output, "bold", plain(image))}  ${shortType(tree.mediaType)}\n${digest}\n`;
  const nothing = tree.attached.length === 0 ? "nothing is attached to it\n" : "";
  const body = branches.map((branch, i) => draw(output, branch, "", i === branches.length - 1)).join("");
  return `${head}${nothing}${body}${formatNotes(output, tree)}${formatFindings(output, findings, "")}`;
}

function formatNotes(output: Output, { isJudged, below, children, complete, attached }: ImageTree): string {
  const hasSigned = [...attached, ...children.flatMap((child) => child.attached)].some(({ isSigned }) => isSigned);
  const notes = [
    ...(complete ? [] : [paint(output, "yellow", "This is not all: there is more than could be read.")]),
    ...(isJudged || !hasSigned
      ? []
      : ["Nothing is judged: who signed, and when, is what the artifacts say. Judge with --key or --policy."]),
    ...(below > 0 && children.length === 0
      ? [`It is an index of ${below}; what hangs on each of them: --recursive`]
      : []),
  ];
  return notes.map((note) => `${note}\n`).join("");
}

function branchOfChild(output: Output, { digest, platform = "", attached }: TreeNode): Branch {
  const nothing = attached.length === 0 ? ["nothing is attached to it"] : [];
  return {
    title: `${paint(output, "bold", plain(platform))}  ${digest}`,
    details: nothing,
    branches: attached.map((item) => branchOf(output, item)),
  };
}

function branchOf(output: Output, item: TreeItem): Branch {
  const { kind, format, claims, size, judgement } = item;
  const what = `${kind === "other" ? "artifact" : kind === "sbom" ? "SBOM" : kind}  ${plain(format).slice(0, 100)}`;
  const type = kind === "attestation" ? claims?.predicateType : undefined;
  const names = Object.entries(claims?.annotations ?? {}).slice(0, 20);
  const where = [placeNames[item.place], ...(item.repository === undefined ? [] : [item.repository])];
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["type", type],
    ["by", signerOf(item)],
    ["when", whenOf(item)],
    ["where", `${where.join(", ")}  ${item.digest}`],
    ["size", formatBytes(size)],
    ...names.map(([name, value]) => ["annotated", `${name}=${value}`] as const),
    ...item.problems.map((problem) => ["problem", problem] as const),
    ...(item.isRepeated === true ? [["note", "what hangs on it is shown above"] as const] : []),
  ];
  return {
    title: `${stateOf(output, judgement)}  ${what}`,
    details: [...reasonOf(output, judgement), ...rows.flatMap(([name, text]) => detail(output, name, text))],
    branches: item.attached.map((inner) => branchOf(output, inner)),
  };
}

const placeNames: Readonly<Record<TreeItem["place"], string>> = {
  referrer: "referrer",
  "fallback-tag": "referrer under the fallback tag",
  "oci-1-1": "referrer, experimental oci-1-1",
  "sig-tag": ".sig tag",
  "att-tag": ".att tag",
  "sbom-tag": ".sbom tag",
};

const saidBy: Readonly<Record<NonNullable<TreeItem["created"]>["saidBy"], string>> = {
  log: "as a log entry says, unproved",
  timestamp: "as a timestamp says, unproved",
  signature: "as the signer says",
  manifest: "as its manifest says, unsigned",
};

function whenOf({ judgement, created }: TreeItem): string | undefined {
  if (judgement.state === "valid" && judgement.signedAt !== undefined) return `${judgement.signedAt} (proved)`;
  return created === undefined ? undefined : `${created.time} (${saidBy[created.saidBy]})`;
}

function signerOf({ judgement, claims, isSigned }: TreeItem): string | undefined {
  if (judgement.state === "valid") {
    const { signer, expiresAt } = judgement;
    const who = signer.kind === "key" ? `key ${signer.keyId.slice(0, 16)}` : `${signer.subject}, ${signer.issuer}`;
    const until = expiresAt === undefined ? "" : `, until ${expiresAt}`;
    return `${who}${until}`;
  }
  if (!isSigned) return undefined;
  const claimed = claimedSigner(claims);
  return claimed === undefined ? "it does not say" : `${claimed} (as it says)`;
}

function stateOf(output: Output, judgement: TreeItem["judgement"]): string {
  switch (judgement.state) {
    case "valid":
      return paint(output, "green", `✔ valid, ${plain(judgement.authority)}`);
    case "invalid":
      return paint(output, "red", "✘ invalid");
    case "untrusted":
      return paint(output, "red", "✘ signer not trusted");
    case "unsigned":
      return paint(output, "yellow", "! unsigned");
    case "not-judged":
      return paint(output, "dim", "? not judged");
  }
}

const obvious = "it was not said whom to trust";

function reasonOf(output: Output, judgement: Judgement | { readonly state: "unsigned" }): readonly string[] {
  if (judgement.state === "not-judged")
    return judgement.reason === obvious ? [] : detail(output, "because", judgement.reason);
  if (judgement.state !== "invalid" && judgement.state !== "untrusted") return [];
  const { code, message, expected, found } = judgement.finding;
  return [
    ...detail(output, "because", `${code}: ${message}`),
    ...detail(output, "expected", expected),
    ...detail(output, "found", found),
  ];
}

const maxDetail = 500;

function detail(output: Output, name: string, text: string | undefined): readonly string[] {
  if (text === undefined || text === "") return [];
  return [`${paint(output, "dim", name.padEnd(10))}${plain(text).slice(0, maxDetail)}`];
}

function draw(output: Output, { title, details, branches }: Branch, indent: string, isLast: boolean): string {
  const below = `${indent}${isLast ? "   " : "│  "}`;
  const line = branches.length > 0 ? "│ " : "  ";
  const lines = [`${indent}${isLast ? "└─ " : "├─ "}${title}`, ...details.map((text) => `${below}${line}${text}`)];
  const inner = branches.map((branch, i) => draw(output, branch, below, i === branches.length - 1));
  return `${lines.join("\n")}\n${inner.join("")}`;
}

function shortType(mediaType: string): string {
  return plain(mediaType.replace(/^application\/vnd\./, ""));
}
