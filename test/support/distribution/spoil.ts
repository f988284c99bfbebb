import { type Answer, openServer } from "./http.ts";
import { openRepository, type Requirement } from "./requirement.ts";

/** Does a check on the registry at `base`; the number of answers that it took. Throws what the check throws. */
export async function answersTaken(requirement: Requirement, base: string): Promise<number> {
  let answers = 0;
  await check(requirement, base, (answer) => {
    answers++;
    return answer;
  });
  return answers;
}

/**
 * Whether a check fails when its last answer is wrong in every part. What a check is about comes last, so one that does
 * not notice checks nothing. `answers` is how many it takes on that registry.
 */
export async function noticesSpoiltAnswer(requirement: Requirement, base: string, answers: number): Promise<boolean> {
  let left = answers;
  try {
    await check(requirement, base, (answer) => (--left === 0 ? spoil(answer) : answer));
    return false;
  } catch {
    return left <= 0;
  }
}

function spoil(answer: Answer): Answer {
  const status = answer.status < 400 ? 500 : 200;
  return {
    ...answer,
    status,
    headers: { warning: '199 old "a warning in a form of its own"' },
    body: Buffer.from("{}"),
  };
}

async function check(requirement: Requirement, base: string, alter: (answer: Answer) => Answer): Promise<void> {
  const server = openServer(base, alter);
  try {
    await requirement.check(openRepository(server));
  } finally {
    server.close();
  }
}
