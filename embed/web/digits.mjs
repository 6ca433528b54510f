// Takes the test digits out of data/mnist.bin.gz, whose format src/data/packed.rs describes, for the page:
// number, height and width as bytes of 32 bits, labels, and the bits of all pixels, eight a byte; in gzip.
//   node digits.mjs IN OUT

import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const [source, target] = process.argv.slice(2);
const bytes = gunzipSync(readFileSync(source));
if (bytes.toString("latin1", 0, 8) !== "bernbits") throw new Error(`${source}: no dataset of bernet`);
const field = (at) => bytes.readUInt32LE(8 + 4 * at);
const [train, test, height, width] = [1, 2, 3, 4].map(field);
const HEADER = 32;
const labels = bytes.subarray(HEADER + train, HEADER + train + test);

// Runs of paper and ink in turn; 255 is a run that goes on.
const first = train * height * width;
const packed = Buffer.alloc(Math.ceil((test * height * width) / 8));
let pixel = 0;
let ink = false;
for (const run of bytes.subarray(HEADER + train + test)) {
    for (let at = Math.max(pixel, first); ink && at < pixel + run; at++) packed[(at - first) >> 3] |= 1 << ((at - first) & 7);
    pixel += run;
    if (run < 255) ink = !ink;
}
if (pixel !== (train + test) * height * width) throw new Error(`${source}: ${pixel} pixels`);

const header = Buffer.from(Uint32Array.of(test, height, width).buffer);
writeFileSync(target, gzipSync(Buffer.concat([header, labels, packed]), { level: 9 }));
