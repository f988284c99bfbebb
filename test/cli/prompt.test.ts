import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { askHidden } from "../../src/cli/prompt.ts";

function terminal(signal?: AbortSignal) {
  const seen: string[] = [];
  const modes: boolean[] = [];
  const order: string[] = [];
  const events = new EventEmitter();
  const input = Object.assign(events, {
    setRawMode: (raw: boolean) => {
      modes.push(raw);
      order.push(`raw ${raw}`);
    },
    resume: () => undefined,
    pause: () => undefined,
  });
  let interrupted = 0;
  const write = (text: string) => {
    seen.push(text);
    order.push(text);
  };
  const answer = askHidden({ input, write, interrupt: () => void interrupted++, signal }, "Password: ");
  const type = (text: string | Buffer) => events.emit("data", Buffer.from(text));
  return {
    answer,
    type,
    seen,
    modes,
    order,
    interrupts: () => interrupted,
    listeners: () => events.listenerCount("data"),
  };
}

test("an answer is what was typed until Enter, and nothing of it is shown", async () => {
  const { answer, type, seen, modes, listeners } = terminal();
  for (const key of ["s", "e", "x", "\u007f", "cret\r"]) type(key);
  expect(await answer).toBe("secret");
  expect(seen).toEqual(["Password: ", "\n"]);
  expect(modes).toEqual([true, false]);
  expect(listeners()).toBe(0);
});

test("the echo is off before the question shows, and on again at the end", async () => {
  const { answer, type, order } = terminal();
  type("x\r");
  await answer;
  expect(order).toEqual(["raw true", "Password: ", "raw false", "\n"]);
});

test("characters of several bytes count as one, also when they come in pieces", async () => {
  const { answer, type } = terminal();
  const snowman = Buffer.from("☃");
  type(snowman.subarray(0, 1));
  type(snowman.subarray(1));
  type("ü\u007fé\n");
  expect(await answer).toBe("☃é");
});

test("Ctrl-U begins anew, an empty answer is one", async () => {
  const { answer, type } = terminal();
  type("wrong\u0015\r");
  expect(await answer).toBe("");
});

test("Ctrl-C interrupts and gives the terminal back", async () => {
  const { answer, type, modes, interrupts } = terminal();
  type("half\u0003");
  await expect(answer).rejects.toThrow();
  expect(interrupts()).toBe(1);
  expect(modes).toEqual([true, false]);
});

test("a signal from outside ends the question, and the terminal is as before", async () => {
  const controller = new AbortController();
  const { answer, modes, listeners } = terminal(controller.signal);
  controller.abort("SIGTERM");
  await expect(answer).rejects.toThrow("interrupted");
  expect(modes).toEqual([true, false]);
  expect(listeners()).toBe(0);
});
