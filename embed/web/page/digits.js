// The 10 000 test digits of MNIST, fetched when they are first asked for.

import { unpacked } from "./packed.js";

let loading;

/** `{ count, size, labels, pixels(at) }`; pixels are 0 and 255. */
export function testDigits() {
    loading ??= read().catch((error) => {
        loading = undefined;
        throw error;
    });
    return loading;
}

async function read() {
    const bytes = await unpacked("digits.gz");
    const [count, height, width] = new Uint32Array(bytes.buffer.slice(0, 12));
    const labels = bytes.subarray(12, 12 + count);
    const bits = bytes.subarray(12 + count);
    const size = height * width;
    const pixels = (first, end = first + 1) => {
        const out = new Uint8Array((end - first) * size);
        for (let at = 0; at < out.length; at++) {
            const place = first * size + at;
            out[at] = (bits[place >> 3] >> (place & 7)) & 1 ? 255 : 0;
        }
        return out;
    };
    return { count, size, labels, pixels };
}
