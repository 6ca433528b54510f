// The package as `npm pack` makes it, in a fresh folder: README's examples, both modules, errors, types.
//   node --test package.test.mjs, with BERNET, MODELS and PACKAGE (the built package's folder)

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { LAUNCH, serve } from "./server.mjs";
import { STROKES } from "./strokes.mjs";

const { MODELS, PACKAGE } = process.env;
const MNIST = join(MODELS, "mnist.bnet");
const folder = mkdtempSync(join(tmpdir(), "bernet-package-"));
const installed = join(folder, "node_modules/bernet");
const blocks = [...readFileSync(join(PACKAGE, "README.md"), "utf8").matchAll(/^```js\n([^]*?)^```/gm)].map(([, code]) => code);
let bernet;

before(async () => {
    const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: PACKAGE, encoding: "utf8" });
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
    execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--offline", join(folder, packed.trim())], { cwd: folder });
    copyFileSync(MNIST, join(folder, "mnist.bnet"));
    // By the name that users write.
    writeFileSync(join(folder, "all.mjs"), 'export * from "bernet";\n');
    bernet = await import(join(folder, "all.mjs"));
});

/** A vertical stroke, as README's. */
function one() {
    const digit = new Uint8Array(28 * 28);
    for (let line = 5; line < 23; line++) digit.fill(255, line * 28 + 13, line * 28 + 15);
    return digit;
}

test("the package is complete and small", () => {
    const files = readdirSync(installed).sort();
    const expected = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "bernet-simd.wasm", "bernet.d.ts", "bernet.js", "bernet.wasm", "bindings.js", "node.js", "package.json"];
    assert.deepEqual(files, expected.sort());
    const size = ["bernet-simd.wasm", "bernet.js", "bindings.js"]
        .map((name) => gzipSync(readFileSync(join(installed, name)), { level: 9 }).length)
        .reduce((sum, one) => sum + one);
    console.log(`runtime with vectors: ${size} bytes in gzip`);
    assert.ok(size <= 300_000, `${size} bytes`);
});

test("README's example for Node reads a digit", () => {
    writeFileSync(join(folder, "example.mjs"), blocks[0]);
    const said = execFileSync("node", ["example.mjs"], { cwd: folder, encoding: "utf8" });
    assert.match(said, /^digit 1, ahead by \d+/);
});

test("README's example for a page reads a digit", async () => {
    const page = `<!doctype html><title>a digit</title><canvas width=280 height=280></canvas><script>
        const context = document.querySelector("canvas").getContext("2d");
        context.lineWidth = 22; context.lineCap = "round"; context.fillStyle = "#fff"; context.fillRect(0, 0, 280, 280);
        for (const stroke of ${JSON.stringify(STROKES[3])}) {
            context.beginPath(); for (const [x, y] of stroke) context.lineTo(280 * x, 280 * y); context.stroke();
        }</script><script type="module">${blocks[1]}</script>`;
    writeFileSync(join(folder, "index.html"), page);
    const server = await serve(folder);
    const browser = await chromium.launch(LAUNCH);
    const tab = await browser.newPage();
    const errors = [];
    tab.on("pageerror", (error) => errors.push(String(error)));
    await tab.goto(server.url);
    await tab.waitForFunction(() => document.body.textContent.includes("ahead by") , null, { timeout: 5000 }).catch(() => {});
    assert.deepEqual(errors, []);
    assert.match(await tab.textContent("body"), /digit 3, ahead by \d+/);
    await browser.close();
    await server.close();
});

test("both modules give the same, in Workers too", async () => {
    const code = (simd) => `
        import { parentPort, workerData } from "node:worker_threads";
        import { init, load } from "bernet";
        const { level } = await init({ simd: ${simd} });
        const net = await load(workerData.net);
        const values = net.activations(workerData.items).map((layer) => layer && Array.from(layer));
        parentPort.postMessage({ level, values });`;
    const items = new Uint8Array(20 * 28 * 28).map((_, at) => (Math.imul(at, 2654435761) >>> 24));
    const results = {};
    for (const net of ["mnist.bnet", "mnist-grey.bnet", "mnist-lenet.bnet"]) {
        for (const simd of [false, true]) {
            writeFileSync(join(folder, `worker-${simd}.mjs`), code(simd));
            const worker = new Worker(join(folder, `worker-${simd}.mjs`), { workerData: { net: readFileSync(join(MODELS, net)), items } });
            const { level, values } = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
            assert.equal(level, simd ? "simd128" : "portable");
            results[simd] = values;
        }
        assert.deepEqual(results[true], results[false], net);
    }
});

test("arrays of several kinds mean the same items", async () => {
    const net = await bernet.load(readFileSync(MNIST));
    const digit = one();
    const [{ scores }] = net.classify(digit);
    assert.deepEqual(net.classify(Int8Array.from(digit, (value) => (value ? 1 : -1)))[0].scores, scores);
    assert.deepEqual(net.classify(Float32Array.from(digit, (value) => value - 1))[0].scores, scores);
    assert.deepEqual(net.classify({ image: digit })[0].scores, scores);
    assert.deepEqual(net.run(digit), { logits: scores });
    // A picture of that size is itself.
    const data = Uint8ClampedArray.from({ length: 4 * 784 }, (_, at) => (at % 4 === 3 ? 255 : digit[at >> 2]));
    assert.deepEqual(net.classify({ data, width: 28, height: 28 })[0].scores, scores);
    const both = new Uint8Array([...digit, ...digit]);
    assert.deepEqual(net.classify(both).map(({ scores }) => scores), [scores, scores]);
    assert.deepEqual(net.classify(new Uint8Array(0)), []);
    const layer = net.outputs[0].from.layer;
    assert.deepEqual(net.activations(digit)[layer], scores);
    assert.equal(net.parameters(0).weights.length, 8 * 36);
    assert.match(net.metadata.method, /ste/);
    net.free();
    net.free();
    assert.throws(() => net.run(digit), /the net was freed/);
});

test("errors are Errors that say what is wrong", async () => {
    const bytes = readFileSync(MNIST);
    const net = await bernet.load(bytes);
    for (let length = 0; length < bytes.length; length += 97) {
        await assert.rejects(bernet.load(bytes.subarray(0, length)), { name: "Error", message: /expected|not a \.bnet/ });
    }
    for (let bit = 5; bit < 8 * bytes.length; bit += 997) {
        const flipped = Uint8Array.from(bytes);
        flipped[bit >> 3] ^= 1 << (bit & 7);
        await assert.rejects(bernet.load(flipped), Error);
    }
    const wrong = [
        [new Uint8Array(783), /input "image": expected a multiple of 784 values \(items of 28×28×1\), found 783/],
        [new Float64Array(784), /input "image": expected an Int8Array or Float32Array of signs, or a Uint8Array of pixels, found Float64Array/],
        [[1, 2], /inputs: expected image, found 0/],
        [{ picture: one() }, /inputs: expected image, found picture/],
        [null, /found object/],
        [undefined, /found undefined/],
        ["digit", /found string/],
        [{ data: new Uint8Array(3), width: 1, height: 1 }, /expected 4 bytes, found 3/],
        [{ data: new Uint8Array(0), width: 0, height: 0 }, /expected 1 to 12582912 pixels/],
    ];
    for (const [value, message] of wrong) assert.throws(() => net.run(value), { name: "Error", message });
    assert.throws(() => net.parameters(99), /layer: expected 0 to \d+, found 99/);
    assert.throws(() => bernet.readDigit({ data: new Uint8Array(4 * 9).fill(255), width: 3, height: 3 }), /no ink/);
    assert.throws(() => bernet.readDigit("x"), /expected an ImageData/);
    await assert.rejects(bernet.load("mnist.bnet"), /expected a Response, an ArrayBuffer or a typed array/);
    await assert.rejects(bernet.load(new Response("", { status: 404 })), /HTTP 404/);
    assert.equal(net.classify(one())[0].label, 1);
});

test("distributions of sums", () => {
    const sum = bernet.poissonBinomial([0.1, 0.2, 0.5]);
    const near = (found, right) => assert.ok(Math.abs(found - right) < 1e-12, `${found}, expected ${right}`);
    [0.36, 0.49, 0.14, 0.01].forEach((right, k) => near(sum.pmf(k), right));
    near(sum.mean, 0.8);
    near(sum.cdf(1), 0.85);
    near(sum.survival(2), 0.15);
    assert.equal(sum.quantile(0.5), 1);
    assert.equal(sum.allPmf().length, 4);
    near(sum.survivalGradient(2)[0], 0.6 - 0.1);
    assert.throws(() => sum.pmf(0.5), /expected a whole number, found 0.5/);
    assert.throws(() => sum.quantile(2), /expected 0 to 1, found 2/);
    assert.throws(() => bernet.poissonBinomial([0.5, 1.5]), /probability 1 is 1.5, expected 0 to 1/);
    sum.free();
});

test("memory of freed nets is used again", async () => {
    const bytes = readFileSync(join(MODELS, "mnist-lenet.bnet"));
    const digits = new Uint8Array(64 * 784);
    const used = () => process.memoryUsage().arrayBuffers;
    const round = async () => {
        for (let at = 0; at < 20; at++) {
            const net = await bernet.load(bytes);
            net.activations(digits);
            net.free();
        }
    };
    await round();
    const before = used();
    await round();
    await round();
    assert.ok(used() - before < 64 << 20, `${used() - before} bytes more`);
});

test("the types name what there is", () => {
    const text = readFileSync(join(installed, "bernet.d.ts"), "utf8");
    const named = [...text.matchAll(/^export (?:function|class) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(named.sort(), Object.keys(bernet).sort());
    const methods = Object.getOwnPropertyNames(bernet.Net.prototype).filter((name) => name !== "constructor");
    const about = text.slice(text.indexOf("export class Net"));
    for (const name of methods) assert.match(about, new RegExp(`\\b${name}\\b`));
});
