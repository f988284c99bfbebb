import { createHmac, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { compare } from "bcryptjs";
import { LRUCache } from "lru-cache";
import { RegistryError } from "./errors.ts";
import type { Users } from "./htpasswd.ts";
import { createTurns } from "./storage/locks.ts";

/** Tells the name of the user that a Basic `Authorization` header proves; nothing where it names nobody. */
export type SignIn = (authorization: string | undefined, address: string) => Promise<string | undefined>;

/** A hash that no password has, so that an unknown name takes as long as a wrong password. */
const nobody = "$2b$10$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const maxPasswordBytes = 72;
const rememberMs = 10 * 60 * 1000;
/** Wrong passwords from one address within a minute, and checks that wait, before more are refused. */
const maxFailures = 30;
const maxWaiting = 50;

/**
 * Checks names and passwords against the users. A check takes bcrypt 50 ms or more, so that successes are remembered for ten minutes, under a keyed hash
 * of name, password and stored hash: never the password, and a changed password counts at once. Throws `UNAUTHORIZED`
 * (401), and `TOOMANYREQUESTS` (429) against guessing.
 */
export function createSignIn(users: () => Promise<Users>): SignIn {
  const key = randomBytes(32);
  const proved = new LRUCache<string, true>({ max: 10_000, ttl: rememberMs });
  const failures = new LRUCache<string, number>({ max: 10_000, ttl: 60_000, noUpdateTTL: true });
  const turns = createTurns();
  let waiting = 0;

  async function check(password: string, stored: string): Promise<boolean> {
    if (waiting >= maxWaiting) throw tooMany();
    waiting++;
    try {
      return await turns("bcrypt", async () => {
        const start = performance.now();
        const matches = await compare(password, stored);
        // The hash is computed on the only thread there is: guessing may take half of its time at most.
        if (!matches) await sleep(performance.now() - start);
        return matches;
      });
    } finally {
      waiting--;
    }
  }

  return async (authorization, address) => {
    const credential = parseBasic(authorization);
    if (credential === undefined) return undefined;
    const { name, password } = credential;
    const stored = (await users()).get(name);
    const proof = createHmac("sha256", key).update(`${name}\0${stored}\0${password}`).digest("base64");
    if (stored !== undefined && proved.get(proof) === true) return name;
    const failed = failures.get(address) ?? 0;
    if (failed >= maxFailures) throw tooMany();
    const matches = Buffer.byteLength(password) <= maxPasswordBytes && (await check(password, stored ?? nobody));
    if (stored === undefined || !matches) {
      failures.set(address, (failures.get(address) ?? 0) + 1);
      throw unauthorized("wrong user name or password");
    }
    proved.set(proof, true);
    return name;
  };
}

/** Some clients send an empty name and password to say that they have none. */
function parseBasic(authorization: string | undefined): { name: string; password: string } | undefined {
  if (authorization === undefined) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/_-]{0,1024}={0,2}) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) throw unauthorized("only Basic authentication is understood");
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 0) throw unauthorized("not NAME:PASSWORD in the Authorization header");
  if (text === ":") return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** A 401 with the challenge that makes clients sign in. */
export function unauthorized(message: string): RegistryError {
  return new RegistryError(401, "UNAUTHORIZED", message, { headers: { "www-authenticate": 'Basic realm="registry"' } });
}

function tooMany(): RegistryError {
  return new RegistryError(429, "TOOMANYREQUESTS", "too many sign-ins; wait a minute", {
    headers: { "retry-after": "60" },
  });
}
