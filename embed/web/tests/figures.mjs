// The figures of the package's README, measured in one run in Chromium: both modules, and onnxruntime-web on the
// same net in floats.
//   npm install --no-save onnxruntime-web && node figures.mjs [NET.bnet …]
// with BERNET, MODELS, PACKAGE and SITE as `run` sets them. Nets after the first are timed with batch 1, beside
// NET.onnx where that is there.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { LAUNCH, serve } from "./server.mjs";

const { BERNET, MODELS, PACKAGE, SITE } = process.env;
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "bernet-figures-"));

cpSync(PACKAGE, join(folder, "vectors"), { recursive: true });
cpSync(PACKAGE, join(folder, "plain"), { recursive: true });
cpSync(join(here, "node_modules/onnxruntime-web/dist"), join(folder, "ort"), { recursive: true });
cpSync(join(SITE, "digits.gz"), join(folder, "digits.gz"));
for (const name of ["digits.js", "packed.js"]) cpSync(join(SITE, name), join(folder, name));
cpSync(join(MODELS, "mnist-bernoulli.bnet"), join(folder, "talk.bnet"));
execFileSync(BERNET, ["export", join(folder, "talk.bnet"), "--onnx", join(folder, "talk.onnx")]);
const others = process.argv.slice(2).map((path) => {
    const name = basename(path, ".bnet");
    cpSync(path, join(folder, `${name}.bnet`));
    const onnx = path.replace(/\.bnet$/, ".onnx");
    if (existsSync(onnx)) cpSync(onnx, join(folder, `${name}.onnx`));
    return { name, onnx: existsSync(onnx) };
});
writeFileSync(join(folder, "index.html"), "<!doctype html><title>figures</title>");

/** In the page: seconds of one call of each, in turn, `rounds` times; the best of each. */
async function measure({ rounds, others }) {
    const [plain, vectors, ort, { testDigits }] = await Promise.all([
        import("./plain/bernet.js"),
        import("./vectors/bernet.js"),
        import("./ort/ort.wasm.min.mjs"),
        import("./digits.js"),
    ]);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = new URL("./ort/", location.href).href;
    const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    const talk = await bytes("talk.bnet");
    const levels = [(await plain.init({ simd: false })).level, (await vectors.init({ simd: true })).level];
    const nets = [await plain.load(talk), await vectors.load(talk)];
    const session = await ort.InferenceSession.create(await bytes("talk.onnx"), options);
    const digits = await testDigits();

    const tensor = (pixels, items) => {
        const data = Float32Array.from(pixels, (pixel) => (pixel >= 128 ? 1 : -1));
        return new ort.Tensor("float32", data, [items, 1, 28, 28]);
    };
    const name = session.inputNames[0];
    const output = session.outputNames[0];

    // The answers first.
    const some = digits.pixels(0, 100);
    const theirs = (await session.run({ [name]: tensor(some, 100) }))[output].data;
    const ours = nets.map((net) => net.run(some).logits);
    const differ = ours.flatMap((scores) => Array.from(scores).filter((score, at) => Math.abs(score - theirs[at]) > 1e-3)).length;

    /** Seconds a call: the best of many short spells, of which some have the core to themselves. */
    const timed = async (call) => {
        const spell = 0.015;
        let [calls, best] = [1, Infinity];
        for (let spells = 0; spells < 20; ) {
            const start = performance.now();
            for (let at = 0; at < calls; at++) {
                const result = call();
                if (result instanceof Promise) await result;
            }
            const seconds = (performance.now() - start) / 1000;
            if (seconds < spell / 2) {
                // Too short for the clock.
                calls = Math.ceil(calls * Math.min(10, spell / Math.max(seconds, 1e-4)));
                continue;
            }
            spells++;
            best = Math.min(best, seconds / calls);
        }
        return best;
    };
    const results = {};
    const keep = (what, seconds) => (results[what] = Math.min(results[what] ?? Infinity, seconds));
    for (let round = 0; round < rounds; round++) {
        for (const items of [1, 100, 1000]) {
            const pixels = digits.pixels(0, items);
            const feeds = { [name]: tensor(pixels, items) };
            keep(`plain ${items}`, (await timed(() => nets[0].run(pixels))) / items);
            keep(`vectors ${items}`, (await timed(() => nets[1].run(pixels))) / items);
            keep(`onnxruntime-web ${items}`, (await timed(() => session.run(feeds))) / items);
        }
    }
    const large = {};
    for (const { name, onnx } of others) {
        const net = await vectors.load(await bytes(`${name}.bnet`));
        const shape = net.inputs[0].shape;
        const data = Float32Array.from({ length: shape.reduce((product, size) => product * size) }, () => Math.random());
        large[name] = { vectors: Infinity };
        const peer = onnx ? await ort.InferenceSession.create(await bytes(`${name}.onnx`), options) : undefined;
        for (let round = 0; round < rounds; round++) {
            large[name].vectors = Math.min(large[name].vectors, await timed(() => net.run(data)));
            if (!peer) continue;
            // Their axes are as the net's file has them; the values do not matter for the time.
            const dims = peer.inputMetadata[0].shape.map((size) => (typeof size === "number" ? size : 1));
            const feeds = { [peer.inputNames[0]]: new ort.Tensor("float32", data, dims) };
            large[name].peer = Math.min(large[name].peer ?? Infinity, await timed(() => peer.run(feeds)));
        }
    }
    return { levels, differ, results, large };
}

const server = await serve(folder);
const browser = await chromium.launch(LAUNCH);
const page = await browser.newPage();
await page.goto(server.url);
const found = await page.evaluate(`(${measure})(${JSON.stringify({ rounds: ROUNDS, others })})`);
await server.close();

// The time until the page is usable, on a cold cache, and what it takes.
const site = await serve(SITE);
const usable = [];
for (let at = 0; at < ROUNDS; at++) {
    const context = await browser.newContext();
    const tab = await context.newPage();
    site.sent = 0;
    await tab.goto(site.url);
    await tab.waitForFunction(() => performance.getEntriesByName("usable").length > 0);
    usable.push([await tab.evaluate(() => performance.getEntriesByName("usable")[0].startTime), site.sent]);
    await context.close();
}
await site.close();
const version = browser.version();
await browser.close();
rmSync(folder, { recursive: true });

if (found.differ > 0) throw new Error(`${found.differ} scores differ from onnxruntime-web's`);
const microseconds = (what) => 1e6 * found.results[what];
const line = (name, items) => `| ${name}, batch ${items} | ${microseconds(`plain ${items}`).toFixed(1)} | ${microseconds(`vectors ${items}`).toFixed(1)} | ${microseconds(`onnxruntime-web ${items}`).toFixed(1)} | ${(found.results[`plain ${items}`] / found.results[`vectors ${items}`]).toFixed(1)}× | ${(found.results[`onnxruntime-web ${items}`] / found.results[`vectors ${items}`]).toFixed(0)}× |`;
const sizes = ["bernet-simd.wasm", "bernet.js", "bindings.js"].map((name) => readFileSync(join(PACKAGE, name)));
const packed = sizes.reduce((sum, bytes) => sum + gzipSync(bytes, { level: 9 }).length, 0);
console.log(`${cpus()[0].model}, Chromium ${version}, one thread, best of ${ROUNDS}; microseconds an image\n`);
console.log("| net | plain | 128-bit vectors | onnxruntime-web | vectors : plain | against onnxruntime-web |\n|---|---:|---:|---:|---:|---:|");
for (const items of [1, 100, 1000]) console.log(line("the talk's", items));
for (const [name, { vectors, peer }] of Object.entries(found.large)) {
    console.log(`| ${name}, batch 1 | – | ${(1e6 * vectors).toFixed(0)} | ${peer ? (1e6 * peer).toFixed(0) : "–"} | – | ${peer ? `${(peer / vectors).toFixed(1)}×` : "–"} |`);
}
usable.sort(([a], [b]) => a - b);
const [milliseconds, bytes] = usable[usable.length >> 1];
console.log(`\nThe page is usable after ${milliseconds.toFixed(0)} ms and ${bytes} bytes; the runtime with vectors is ${packed} bytes in gzip.`);
