import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describePeers } from "../support/peers.ts";
import { inParallel, kinds, shapeNames, tools } from "./matrix/cells.ts";
import { describeCell, interopPage } from "./matrix/page.ts";
import { type Measured, readAll } from "./matrix/readers.ts";
import { artifacts, refusalOf, rules } from "./matrix/rules.ts";
import { type MatrixStage, openMatrixStage, predicateType, type Target } from "./matrix/stage.ts";
import { writeAll } from "./matrix/writers.ts";

const page = join(import.meta.dirname, "../../docs/interop.md");
/** Processes at a time. */
const width = 3;

describePeers(["cosign2", "cosign3", "skopeo", "docker-registry"], "the interop matrix", () => {
  let stage: MatrixStage;
  const targets: Target[] = [];
  let measured: readonly Measured[] = [];

  beforeAll(async () => {
    stage = await openMatrixStage();
    for (const artifact of artifacts) targets.push(await stage.newTarget(artifact));
    await writeAll(stage, targets, width);
    measured = await readAll(stage, targets, width);
  }, 600_000);
  afterAll(() => stage?.close());

  it("has measured every cell", () => {
    expect(measured).toHaveLength(artifacts.length * tools.length);
    expect(new Set(measured.map(describeCell)).size).toBe(measured.length);
  });

  it.each(
    kinds.flatMap((kind) => shapeNames.flatMap((shape) => tools.map((reader) => [kind, shape, reader] as const))),
  )("%s, %s, read by %s: accepted, or refused for the reason that is documented", (kind, shape, reader) => {
    const cells = measured.filter((cell) => cell.kind === kind && cell.shape === shape && cell.reader === reader);
    const surprises = cells.filter((cell) => {
      const rule = rules[refusalOf(cell) ?? ""];
      return rule === undefined ? !cell.accepted : cell.accepted || !rule.says.test(cell.said);
    });
    expect(surprises.map((cell) => `${describeCell(cell)}: ${cell.accepted ? "accepted" : cell.said}`)).toEqual([]);
  });

  it("no reader accepts under a foreign key what it accepts under the right one", async () => {
    const some = targets.filter(({ key }) => key === "P-256");
    const accepted = (await readAll(stage, some, width, () => "foreign")).filter((cell) => cell.accepted);
    expect(accepted.map(describeCell)).toEqual([]);
  });

  it("cosign 3 accepts what it signs with SHA-384 and SHA-512 when it is told the hash", async () => {
    const hashes: Readonly<Record<string, string>> = { "P-384": "sha384", "P-521": "sha512" };
    const own = targets.filter(
      ({ writer, key, shape }) => writer === "cosign 3.1" && key in hashes && shape !== "oci-1-1",
    );
    await inParallel(own, width, async ({ kind, key, shape, image }) => {
      const command = kind === "signature" ? ["verify"] : ["verify-attestation", "--type", predicateType];
      const flags = [
        "--key",
        `${key}.pub`,
        "--insecure-ignore-tlog",
        "--signature-digest-algorithm",
        hashes[key] ?? "",
      ];
      expect(await stage.peer("cosign3", shape, [...command, ...flags, image])).toMatchObject({ code: 0 });
    });
  });

  it("docs/interop.md says what was measured (else run with TRUST_WRITE_DOCS=1)", () => {
    const text = interopPage(measured);
    if (process.env["TRUST_WRITE_DOCS"] === "1") writeFileSync(page, text);
    expect(readFileSync(page, "utf8")).toBe(text);
  });
});
