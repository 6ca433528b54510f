// A worker that times a net with one of the two modules.

import { init, load } from "./bernet/bernet.js";
import { moduleOf } from "./packed.js";

/** At once; what goes through the caches together is the package's affair. */
const BATCH = 1000;
const LEAST_SECONDS = 0.4;

self.onmessage = async ({ data: { simd, net: bytes, pixels, labels } }) => {
    try {
        await init({ simd, module: moduleOf(simd) });
        const net = await load(bytes);
        const size = net.inputs[0].shape.reduce((product, one) => product * one);
        const count = pixels.length / size;
        const batch = Math.min(BATCH, count);
        let right = 0;
        for (let first = 0; first < count; first += batch) {
            const found = net.classify(pixels.subarray(first * size, (first + batch) * size));
            if (labels) right += found.filter(({ label }, at) => label === labels[first + at]).length;
        }
        const some = pixels.subarray(0, batch * size);
        const perSecond = fastest(() => net.run(some)) * batch;
        const one = pixels.subarray(0, size);
        const seconds = 1 / fastest(() => net.run(one));
        net.free();
        self.postMessage({ perSecond, seconds, right: labels && right, count });
    } catch (error) {
        self.postMessage({ error: error.message });
    }
};

/** Calls a second, of the best of five. */
function fastest(call) {
    let calls = 1;
    let best = 0;
    for (let round = 0; round < 5; ) {
        const start = performance.now();
        for (let at = 0; at < calls; at++) call();
        const seconds = (performance.now() - start) / 1000;
        if (seconds < LEAST_SECONDS / 5) {
            // Few calls say little; a round that is long enough counts.
            calls = Math.ceil(calls * Math.min(10, (1.2 * LEAST_SECONDS) / 5 / Math.max(seconds, 1e-5)));
            continue;
        }
        best = Math.max(best, calls / seconds);
        round++;
    }
    return best;
}
