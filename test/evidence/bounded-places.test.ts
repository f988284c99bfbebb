import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createPlacesBound } from "../../src/evidence/bounded-places.ts";
import { manifestDescriptor, memoryPlaces } from "../support/places.ts";

const blobs = Array.from({ length: 6 }, (_, n) => Buffer.alloc(100, n));
const descriptors = blobs.map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
const manifest = Buffer.from(JSON.stringify({ mediaType: "m", filling: "x".repeat(180) }));
const places = memoryPlaces({ blobs, referrers: [manifest] });
const [a, b, c, d] = descriptors as [(typeof descriptors)[0], ...typeof descriptors];

describe("places with a bound", () => {
  it("give what is within it, then nothing, and say so", async () => {
    const bounded = createPlacesBound({ each: 250, together: 1000 })(places);
    for (const descriptor of [a, b]) expect(await bounded.blob(descriptor ?? a, 1000)).toHaveLength(100);
    expect(bounded.isExhausted()).toBe(false);
    await expect(bounded.blob(c ?? a, 1000)).rejects.toMatchObject({ code: "EVIDENCE_INCOMPLETE" });
    expect(bounded.isExhausted()).toBe(true);
    expect(await bounded.blob({ ...a, size: 50 }, 1000)).toHaveLength(100);
  });

  it("count what a manifest really is, not what is said of it", async () => {
    const bounded = createPlacesBound({ each: 250, together: 1000 })(places);
    await bounded.manifest({ ...manifestDescriptor(manifest), size: 1 });
    await expect(bounded.blob(a, 1000)).rejects.toMatchObject({ code: "EVIDENCE_INCOMPLETE" });
  });

  it("share what all may hold, until it is given back; that is no judgement on any image", async () => {
    const bound = createPlacesBound({ each: 250, together: 300 });
    const [first, second] = [bound(places), bound(places)];
    for (const descriptor of [a, b]) await first.blob(descriptor ?? a, 1000);
    await second.blob(c ?? a, 1000);
    await expect(second.blob(d ?? a, 1000)).rejects.toMatchObject({ code: "SERVER_BUSY", category: "unavailable" });
    expect(second.isExhausted()).toBe(false);
    first.release();
    expect(await second.blob(d ?? a, 1000)).toHaveLength(100);
  });

  it("leave a blob that is too large by itself to the places", async () => {
    const bounded = createPlacesBound({ each: 50, together: 1000 })(places);
    await expect(bounded.blob(a, 60)).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    expect(bounded.isExhausted()).toBe(false);
  });
});
