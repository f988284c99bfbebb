import { type ObjectContext, TrustError, toFinding, type Verdict, type Verifier, verdictOf } from "../src/index.ts";

/** More images of one object than this wait for each other, so that no object takes all of a registry. */
const maxAtOnce = 16;
/** At the deadline the verifier says itself what it does not know; this is for when it does not. */
const graceMs = 50;

export interface ImageQuestion {
  readonly verifier: Verifier;
  readonly images: Iterable<string>;
  readonly object: ObjectContext;
  /** Milliseconds that are left. */
  readonly budget: number;
}

/**
 * One Verdict for each distinct image name, all by the deadline: what is not known then is denied. Never throws; no
 * deadline of one review ends work that another waits for.
 */
export async function verifyImages(question: ImageQuestion): Promise<ReadonlyMap<string, Verdict>> {
  const images = [...new Set(question.images)];
  const verdicts = new Map<string, Verdict>();
  const budget = Math.max(0, question.budget);
  const late = new AbortController();
  const end = Promise.withResolvers<void>();
  const timers = [setTimeout(() => late.abort(), budget), setTimeout(end.resolve, budget + graceMs)];
  const answer = async (image: string) => {
    if (!late.signal.aborted) verdicts.set(image, await verify(question, image, late.signal));
  };
  try {
    await Promise.race([eachAtMost(images, answer), end.promise]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
  return new Map(images.map((image) => [image, verdicts.get(image) ?? denial(image, deadlineExceeded())]));
}

async function verify({ verifier, object }: ImageQuestion, image: string, signal: AbortSignal): Promise<Verdict> {
  try {
    if (imageId.test(image)) throw notAName(image);
    return await verifier.verify({ image, object, signal });
  } catch (error) {
    return denial(image, error);
  }
}

/**
 * By the rules of names this is a tag of an official image called `sha256`; a node takes it, or the beginning of one,
 * for the ID of whatever image it holds already (containerd, CRI `ImageStatus`), and pulls nothing.
 */
const imageId = /^sha(?:256|384|512):[0-9a-f]+$/;

function notAName(image: string): TrustError {
  return new TrustError("REFERENCE_INVALID", "an image ID says nothing of where the image comes from", {
    expected: "[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]",
    found: image.slice(0, 150),
  });
}

async function eachAtMost(images: readonly string[], answer: (image: string) => Promise<void>): Promise<void> {
  if (images.length <= maxAtOnce) {
    await Promise.all(images.map(answer));
    return;
  }
  const waiting = images.values();
  const worker = async () => {
    for (const image of waiting) await answer(image);
  };
  await Promise.all(Array.from({ length: maxAtOnce }, worker));
}

function deadlineExceeded(): TrustError {
  return new TrustError("DEADLINE_EXCEEDED", "the answer was not known at the deadline of the API server");
}

function denial(image: string, error: unknown): Verdict {
  return verdictOf({ image: image.slice(0, 1000), decidedAt: Date.now(), policies: [], failure: toFinding(error) });
}
