import { join } from "node:path";
import { openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { type BuiltImage, pushImage } from "../support/images.ts";
import { type Finished, pad, say, trust } from "./stage.ts";

/** What all acts share: a folder to work in, the tally, and what did not come as expected. */
export interface Play {
  readonly home: string;
  readonly surprises: string[];
  readonly counts: { signatures: number; reviews: number };
}

export interface NamedImage {
  readonly name: string;
  readonly image: BuiltImage;
}

/** Notes and says what did not come as expected. */
export function expect(play: Play, what: string, holds: boolean): void {
  if (holds) return;
  play.surprises.push(what);
  say.fail(what);
}

/** Runs a command, shows it, and expects an exit code. */
export async function run(play: Play, expected: number, ...args: string[]): Promise<Finished> {
  say.command(args);
  const result = await trust(play.home, ...args);
  const what = `trust ${args[0]} ended with ${result.code} instead of ${expected}: ${result.stderr}`;
  expect(play, what, result.code === expected);
  return result;
}

/** Pushes an image as a build would, from a layout. */
export async function push(play: Play, registry: string, { name, image }: NamedImage): Promise<void> {
  const layout = join(play.home, "layouts", `${name.replace(/\W/g, "-")}-${image.descriptor.digest.slice(7, 19)}`);
  await pushImage(await openLayout(layout, { create: true }), parseReference(`${registry}/${name}`), image);
  const { code, stderr } = await trust(play.home, "push", layout, `${registry}/${name}`);
  expect(play, `trust push of ${name}: ${stderr}`, code === 0);
  say.good(`${pad(name, 52)} ${image.descriptor.digest.slice(0, 19)}…  ${image.blobs.length - 1} layers`);
}
