import { TrustError } from "../../src/errors.ts";

/** The code of the `TrustError` that the function throws; `undefined` if it throws none. Anything else thrown is thrown on. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return trustCode(error);
  }
}

/** The code of the `TrustError` that the promise is rejected with; `undefined` if it is not. */
export function codeOfRejection(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(() => undefined, trustCode);
}

function trustCode(error: unknown): string {
  if (error instanceof TrustError) return error.code;
  throw error;
}

/** The `TrustError` that the function throws. */
export function errorOf(run: () => unknown): TrustError {
  try {
    run();
  } catch (error) {
    if (error instanceof TrustError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
