/** DER written by hand, so that tests can also write it wrong. */

export function tlv(tag: number, content: Uint8Array, length = derLength(content.length)): Buffer {
  return Buffer.concat([Buffer.from([tag]), length, content]);
}

export function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = toBytes(BigInt(length));
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

/** The shortest content of a DER INTEGER. */
export function integerContent(value: bigint): Buffer {
  if (value === 0n) return Buffer.from([0]);
  const bytes = toBytes(value);
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
}

export function integer(value: bigint): Buffer {
  return tlv(0x02, integerContent(value));
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return tlv(0x30, Buffer.concat(items));
}

/** Big endian, without leading zeros. */
export function toBytes(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

export function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}
