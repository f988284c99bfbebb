import { asTrustError, exitCodeOf, type Finding, toFinding } from "../errors.ts";
import type { CertifiedSigner } from "../keys/named.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { CommandContext } from "./command.ts";
import type { Output } from "./io.ts";
import { isInLayout, type LocatedImage } from "./locate.ts";
import { formatFinding, paint, plain } from "./print.ts";
import { createProgress } from "./progress.ts";
import { createResults } from "./results.ts";

/** What came of one image. */
export type ImageResult<T> = T | { readonly image: string; readonly error: Finding };

/** One image's failure is not another's; a bug ends the command. */
export async function attemptImage<T extends object>(image: string, make: () => Promise<T>): Promise<ImageResult<T>> {
  try {
    return await make();
  } catch (error) {
    if (asTrustError(error).category === "internal") throw error;
    return { image, error: toFinding(error) };
  }
}

/** What is done to each image, and how it is told. */
interface EachImage<T> {
  /** "signing" */
  readonly doing: string;
  /** "signed" */
  readonly done: string;
  readonly atOnce: number;
  make(located: LocatedImage): Promise<T>;
  format(result: T): string;
}

/** Does the same to many images, prints what came of each in their order, and gives the exit code. */
export async function forEachImage<T extends object>(
  context: CommandContext,
  images: readonly LocatedImage[],
  { doing, done, atOnce, make, format }: EachImage<T>,
): Promise<number> {
  const progress = createProgress(context, doing, images.length);
  const { stdout } = context.io;
  const results = createResults<ImageResult<T>>(context, (result) =>
    isFailed(result) ? formatFailed(stdout, done, result) : format(result as T),
  );
  const failures = await mapLimit(images, atOnce, async (located, index) => {
    const { text } = located;
    const result = await attemptImage(text, async () => {
      const made = await make(located);
      // An image in a layout is called what the user called it.
      return isInLayout(text) ? { ...made, image: text } : made;
    });
    progress.step(text);
    progress.clear();
    results.add(result, index);
    return isFailed(result) ? [result.error.category] : [];
  });
  results.end();
  return exitCodeOf(failures.flat());
}

function isFailed<T extends object>(result: ImageResult<T>): result is { image: string; error: Finding } {
  return "error" in result;
}

/** An image to which nothing was done, and why. */
export function formatFailed(
  output: Output,
  done: string,
  { image, error }: { readonly image: string; readonly error: Finding },
): string {
  return `${paint(output, "red", "✘")} not ${done}  ${plain(image)}\n${formatFinding(output, error, "  ")}`;
}

/** An image and what was done to it, then what came of it by name. */
export function formatDone(
  output: Output,
  title: string,
  image: string,
  rows: readonly (readonly [name: string, text: string])[],
): string {
  const lines = rows.map(([name, text]) => `  ${name.padEnd(9)}${plain(text)}\n`);
  return `${paint(output, "green", "✔")} ${title}  ${plain(image)}\n${lines.join("")}`;
}

/** Who signed: whom the certificate names, or the key in short. */
export function signerRow({
  keyId,
  certificate,
}: CertifiedSigner & { readonly keyId: string }): readonly [string, string] {
  return certificate === undefined ? ["key", keyId.slice(0, 16)] : ["signer", certificate.subject];
}
