import { setTimeout as sleep } from "node:timers/promises";

/**
 * The first answer that is not undefined, asking again and again. Throws after 30 seconds, with what was awaited and with
 * what `look` says of the state it is in then.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  look: () => Promise<string> = async () => "",
): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: did not happen\n${await look()}`);
    await sleep(100);
  }
}
