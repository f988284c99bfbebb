import { constants, publicDecrypt } from "node:crypto";
import { TrustError } from "../errors.ts";
import { derFields, derTags, expectTag, parseDer } from "./der.ts";
import { derInteger } from "./der-values.ts";
import type { KeyAlgorithm, PublicKey } from "./public-key.ts";
import type { StreamCheck } from "./stream-verify.ts";

// OpenSSL is not reachable from Node with a digest in place of a message, so the arithmetic is here. All of it is public:
// nothing has to take the same time for every value.

interface Curve {
  /** The field, the order of the base point, and its coordinates; a is -3 (FIPS 186-5, SP 800-186 §3.2.1). */
  readonly p: bigint;
  readonly n: bigint;
  readonly g: Point;
  readonly bytes: number;
}

interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** Jacobian: (x / z², y / z³); z is 0 at infinity. */
interface Projective extends Point {
  readonly z: bigint;
}

const curves: Readonly<Partial<Record<KeyAlgorithm, Curve>>> = {
  "ecdsa-p256": {
    bytes: 32,
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    g: {
      x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
      y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
    },
  },
  "ecdsa-p384": {
    bytes: 48,
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    g: {
      x: 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
      y: 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
    },
  },
  "ecdsa-p521": {
    bytes: 66,
    p: (1n << 521n) - 1n,
    n: 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    g: {
      x: 0x00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66n,
      y: 0x011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650n,
    },
  },
};

/** DigestInfo of SHA-256, up to the digest (RFC 8017 §9.2). */
const sha256Info = Buffer.from("3031300d060960864801650304020105000420", "hex");

/**
 * The check of a message of which only the SHA-256 is known: ECDSA (FIPS 186-5 §6.4.2) and RSA PKCS #1 v1.5 with that hash. Ed25519
 * needs the message, and no key made a signature that cannot be checked. Any other digest is unknown, and equals nothing.
 */
export function createDigestCheck(keys: readonly PublicKey[], sha256: Uint8Array): StreamCheck {
  return {
    update() {
      throw new TrustError("INTERNAL", "the message of a known digest is not read");
    },
    signerOf: async (signature) => keys.find((key) => matchesDigest(key, sha256, signature)),
    digest: (hashName) => (hashName === "sha256" ? Buffer.from(sha256) : Buffer.of()),
  };
}

/** Whether the key made the signature over the message with that SHA-256. */
export function matchesDigest(key: PublicKey, sha256: Uint8Array, signature: Uint8Array): boolean {
  if (sha256.length !== 32) return false;
  if (key.algorithm === "rsa") return matchesRsa(key, sha256, signature);
  const curve = curves[key.algorithm];
  return curve !== undefined && matchesEcdsa(curve, pointOf(key, curve), sha256, signature);
}

function matchesRsa({ keyObject }: PublicKey, sha256: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length * 8 < (keyObject.asymmetricKeyDetails?.modulusLength ?? Number.POSITIVE_INFINITY)) return false;
  try {
    const padding = constants.RSA_PKCS1_PADDING;
    return publicDecrypt({ key: keyObject, padding }, signature).equals(Buffer.concat([sha256Info, sha256]));
  } catch {
    return false;
  }
}

function matchesEcdsa(curve: Curve, q: Point, sha256: Uint8Array, signature: Uint8Array): boolean {
  const numbers = readSignature(signature);
  if (numbers === undefined) return false;
  const { r, s } = numbers;
  const { n, g, p } = curve;
  if (r < 1n || r >= n || s < 1n || s >= n) return false;
  const inverse = invert(s, n);
  // The order of every curve here has at least as many bits as the digest.
  const e = numberOf(sha256);
  const sum = addTwice(curve, [(e * inverse) % n, g], [(r * inverse) % n, q]);
  if (sum.z === 0n) return false;
  const x = (sum.x * invert((sum.z * sum.z) % p, p)) % p;
  return x % n === r;
}

function readSignature(signature: Uint8Array): { readonly r: bigint; readonly s: bigint } | undefined {
  try {
    const root = parseDer(signature, { what: "the signature", code: "SIGNATURE_MALFORMED", maxBytes: 256 });
    const fields = derFields(expectTag(root, derTags.sequence, "the signature"));
    const [r, s] = [fields.take(derTags.integer, "r"), fields.take(derTags.integer, "s")].map(derInteger);
    fields.end();
    // A negative number starts with a bit that is set.
    if (r === undefined || s === undefined || (r[0] ?? 0x80) >= 0x80 || (s[0] ?? 0x80) >= 0x80) return undefined;
    return { r: numberOf(r), s: numberOf(s) };
  } catch {
    return undefined;
  }
}

/** The last bytes of a canonical SubjectPublicKeyInfo; node:crypto has looked that the point is on the curve. */
function pointOf({ spki }: PublicKey, { bytes }: Curve): Point {
  return { x: numberOf(spki.subarray(-2 * bytes, -bytes)), y: numberOf(spki.subarray(-bytes)) };
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function modulo(value: bigint, m: bigint): bigint {
  const rest = value % m;
  return rest < 0n ? rest + m : rest;
}

/** By the extended algorithm of Euclid; `m` is prime and `value` not a multiple of it. */
function invert(value: bigint, m: bigint): bigint {
  let [a, b, x, y] = [modulo(value, m), m, 1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b % a, a];
    [x, y] = [y - quotient * x, x];
  }
  return modulo(x, m);
}

/** u·G + v·Q, both at once (Shamir's trick). */
function addTwice(curve: Curve, [u, g]: readonly [bigint, Point], [v, q]: readonly [bigint, Point]): Projective {
  const points = [undefined, { ...g, z: 1n }, { ...q, z: 1n }, add(curve, { ...g, z: 1n }, { ...q, z: 1n })];
  let sum: Projective = { x: 1n, y: 1n, z: 0n };
  for (let bit = BigInt(curve.bytes * 8); bit >= 0n; bit--) {
    sum = double(curve, sum);
    const point = points[Number(((u >> bit) & 1n) | (((v >> bit) & 1n) << 1n))];
    if (point !== undefined) sum = add(curve, sum, point);
  }
  return sum;
}

/** hyperelliptic.org/EFD, shortw-jacobian-3, dbl-2001-b. */
function double({ p }: Curve, { x, y, z }: Projective): Projective {
  if (z === 0n || y === 0n) return { x: 1n, y: 1n, z: 0n };
  const delta = (z * z) % p;
  const gamma = (y * y) % p;
  const beta = (x * gamma) % p;
  const alpha = (3n * (x - delta) * (x + delta)) % p;
  const x3 = modulo(alpha * alpha - 8n * beta, p);
  return {
    x: x3,
    y: modulo(alpha * (4n * beta - x3) - 8n * gamma * gamma, p),
    z: modulo((y + z) * (y + z) - gamma - delta, p),
  };
}

/** hyperelliptic.org/EFD, shortw-jacobian, add-1998-cmo-2; equal points are doubled, opposite ones meet at infinity. */
function add(curve: Curve, a: Projective, b: Projective): Projective {
  const { p } = curve;
  if (a.z === 0n) return b;
  if (b.z === 0n) return a;
  const [za, zb] = [(a.z * a.z) % p, (b.z * b.z) % p];
  const [ua, ub] = [(a.x * zb) % p, (b.x * za) % p];
  const [sa, sb] = [(a.y * zb * b.z) % p, (b.y * za * a.z) % p];
  const h = modulo(ub - ua, p);
  const r = modulo(sb - sa, p);
  if (h === 0n) return r === 0n ? double(curve, a) : { x: 1n, y: 1n, z: 0n };
  const hh = (h * h) % p;
  const hhh = (h * hh) % p;
  const v = (ua * hh) % p;
  const x = modulo(r * r - hhh - 2n * v, p);
  return { x, y: modulo(r * (v - x) - sa * hhh, p), z: (a.z * b.z * h) % p };
}
