// Binary neural nets on WebAssembly. `bernet.d.ts` says what each function takes and gives.

import * as bindings from "./bindings.js";

/** A module that is valid only where there are 128-bit vectors: `i8x16.popcnt` of a splat. */
const SIMD = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** How the bytes of a module are had; Node reads files. */
let fetchModule = (url) => fetch(url);
let ready;
let loaded = false;

/** @internal */
export function useReader(read) {
    fetchModule = read;
}

/** Whether this engine has WebAssembly's 128-bit vectors. */
export const hasSimd = () => WebAssembly.validate(new Uint8Array(SIMD));

/** Loads the WebAssembly module, once; `load` does so by itself. */
export function init({ simd = hasSimd(), module } = {}) {
    ready ??= instantiate(simd, module).catch((error) => {
        ready = undefined;
        throw error;
    });
    return ready;
}

async function instantiate(simd, module) {
    // Two expressions, so that bundlers see both files.
    const url = simd ? new URL("./bernet-simd.wasm", import.meta.url) : new URL("./bernet.wasm", import.meta.url);
    await bindings.default({ module_or_path: await (module ?? fetchModule(url)) });
    loaded = true;
    return { level: bindings.Net.level() };
}

/** Reads a net from the bytes of a `.bnet` file, or from a Response of them. */
export async function load(source, options) {
    const [bytes] = await Promise.all([bytesOf(await source), init(options)]);
    return new Net(guarded(() => new bindings.Net(bytes)));
}

async function bytesOf(source) {
    if (typeof Response !== "undefined" && source instanceof Response) {
        if (!source.ok) throw new Error(`${source.url}: HTTP ${source.status}, expected a .bnet file`);
        source = await source.arrayBuffer();
    }
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    throw new Error("load: expected a Response, an ArrayBuffer or a typed array with the bytes of a .bnet file");
}

/** Calls into WebAssembly; a trap, which is no `Error` of ours, becomes one that says what it can be. */
function guarded(call) {
    if (!loaded) throw new Error("the WebAssembly module is not loaded: await init() or load() first");
    try {
        return call();
    } catch (error) {
        if (!(error instanceof WebAssembly.RuntimeError)) throw error;
        throw new Error("the WebAssembly module stopped, most likely for lack of memory", { cause: error });
    }
}

export class Net {
    #raw;
    #about;

    /** @internal */
    constructor(raw) {
        this.#raw = raw;
        this.#about = raw.describe();
    }

    get inputs() {
        return this.#about.inputs;
    }
    get outputs() {
        return this.#about.outputs;
    }
    get layers() {
        return this.#about.layers;
    }
    get metadata() {
        return this.#about.metadata;
    }

    run(input) {
        const values = this.#call((raw) => raw.run(this.#arrays(input)));
        return Object.fromEntries(this.outputs.map(({ name }, index) => [name, values[index]]));
    }

    classify(input) {
        const { name, shape } = this.outputs[0];
        const all = this.run(input)[name];
        const classes = shape.reduce((product, size) => product * size);
        return Array.from({ length: all.length / classes }, (_, item) =>
            decide(all.subarray(item * classes, (item + 1) * classes)),
        );
    }

    activations(input) {
        return this.#call((raw) => raw.activations(this.#arrays(input)));
    }

    parameters(layer) {
        return this.#call((raw) => raw.parameters(layer));
    }

    free() {
        this.#raw?.free();
        this.#raw = undefined;
    }

    #call(work) {
        if (!this.#raw) throw new Error("the net was freed");
        return guarded(() => work(this.#raw));
    }

    /** An array for each input; one alone, or an object by name. */
    #arrays(input) {
        const names = this.inputs.map(({ name }) => name);
        const isArray = ArrayBuffer.isView(input) || isPicture(input);
        if (!isArray && names.length > 0 && input && typeof input === "object") {
            const unknown = Object.keys(input).find((name) => !names.includes(name));
            if (unknown !== undefined) throw new Error(`inputs: expected ${names.join(", ")}, found ${unknown}`);
            return this.inputs.map((about) => array(about, input[about.name]));
        }
        return names.length === 1 ? [array(this.inputs[0], input)] : [input];
    }
}
if (Symbol.dispose) Net.prototype[Symbol.dispose] = Net.prototype.free;

/** The largest score's place, and by how much it exceeds the next. */
function decide(scores) {
    let label = 0;
    let next = -Infinity;
    for (let at = 1; at < scores.length; at++) {
        if (scores[at] > scores[label]) {
            next = scores[label];
            label = at;
        } else if (scores[at] > next) next = scores[at];
    }
    return { label, margin: scores[label] - next, scores };
}

const isPicture = (value) => typeof value?.width === "number" && ArrayBuffer.isView(value.data);

/** Pictures are scaled to what an input takes. */
function array({ shape: [height, width, channels] }, value) {
    if (!isPicture(value)) return value;
    return bindings.scalePicture(value.data, [value.height, value.width], height, width, channels);
}

/** The digit of a picture as MNIST's are, by the rule of `bernet predict`. */
export function readDigit(picture, height = 28, width = 28) {
    if (!isPicture(picture)) throw new Error("readDigit: expected an ImageData or { data, width, height }");
    return guarded(() => bindings.readDigit(picture.data, [picture.height, picture.width], height, width));
}

/** The distribution of the number of successes among independent trials, in f64. */
export function poissonBinomial(probabilities) {
    return guarded(() => new bindings.PoissonBinomial(Float64Array.from(probabilities)));
}
