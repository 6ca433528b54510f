/** Type and shape of a value; shapes are height, width, channels of one item, channels fastest. */
export interface Value {
    type: "bit" | "u8" | "i32" | "f32";
    shape: [height: number, width: number, channels: number];
}

/** What computes a value: an input of the net, or one of its layers, by number. */
export type Source = { input: number } | { layer: number };

export interface Input extends Value {
    name: string;
    /**
     * What a pixel 0 to 255 becomes: for bits +1 where it is at least `atLeast`, else
     * `pixel · scale + bias`, one number for all channels or one for each; null where the net does not say.
     */
    pixels: { atLeast: number } | { scale: Float32Array; bias: Float32Array } | null;
}

export interface Output extends Value {
    name: string;
    from: Source;
}

/** A node of the net, in the order in which they run; `type` and `shape` are those of its result. */
export interface Layer extends Value {
    name: string;
    /** `binary conv`, `threshold`, `max pool` and so on. */
    op: string;
    inputs: Source[];
    /** Of convolutions and pools: down and across; padding is top, left, bottom, right. */
    kernel?: [number, number];
    stride?: [number, number];
    padding?: [number, number, number, number];
    /** What padding counts as in a sum of products of signs. */
    paddingValue?: -1 | 0 | 1;
    dilation?: [number, number];
    groups?: number;
}

/** What a layer holds; which of these depends on its `op`. */
export interface Parameters {
    rows?: number;
    columns?: number;
    /** A row for each output, columns in the order kernel line, kernel column, channel; binary ones are −1 and 1. */
    weights?: Int8Array | Float32Array;
    bias?: Float32Array;
    scale?: Float32Array;
    /** Thresholds: +1 where the value is at least this, or the reverse where `inverted` is 1. */
    atLeast?: Int32Array | Float32Array;
    inverted?: Uint8Array;
}

/** A picture of red, green, blue and alpha: an `ImageData`, or what looks like one. */
export interface Picture {
    data: Uint8ClampedArray | Uint8Array;
    width: number;
    height: number;
}

/**
 * Items one after the other, in NHWC order. Bytes are pixels, read as the net says; a picture is scaled
 * to the net's size first. Other arrays hold the values: Int8Array or Float32Array (signs) for bits,
 * Int32Array and Float32Array for numbers.
 */
export type Items = Uint8Array | Uint8ClampedArray | Int8Array | Int32Array | Float32Array | Picture;

/** Bits come as −1 and 1. */
export type Values = Int8Array | Uint8Array | Int32Array | Float32Array;

export interface Prediction {
    /** The class of the largest score, the first of several. */
    label: number;
    /** By how much its score exceeds the next. */
    margin: number;
    scores: Values;
}

export interface Options {
    /** Whether the module with 128-bit vectors is loaded; by default where the engine has them. Counts the first time. */
    simd?: boolean;
    /** The module itself, for hosts that bring it along. */
    module?: WebAssembly.Module | BufferSource | Response | Promise<Response>;
}

/** Whether this engine has WebAssembly's 128-bit vectors. */
export function hasSimd(): boolean;

/** Loads the WebAssembly module, once; `load` does so by itself. `level` is `simd128` or `portable`. */
export function init(options?: Options): Promise<{ level: "simd128" | "portable" }>;

/**
 * Reads a net from the bytes of a `.bnet` file, or from a Response of them.
 *
 * @throws Error that says where the file is damaged, what was expected and what was found.
 */
export function load(
    source: ArrayBuffer | ArrayBufferView | Response | Promise<Response>,
    options?: Options,
): Promise<Net>;

/** A net, ready to run. Freed by `free()`, by `using`, or when it is collected. */
export class Net {
    private constructor();
    readonly inputs: Input[];
    readonly outputs: Output[];
    readonly layers: Layer[];
    /** How the net was trained, its licence and the like. */
    readonly metadata: Record<string, string>;

    /** Runs a batch; a net of several inputs takes an object by their names. Returns the outputs by name. */
    run(input: Items | Record<string, Items>): Record<string, Values>;

    /** The class of each item, by the net's first output. */
    classify(input: Items | Record<string, Items>): Prediction[];

    /** The values of every layer, in the order of `layers`; undefined for constants. */
    activations(input: Items | Record<string, Items>): (Values | undefined)[];

    /** Weights and thresholds of a layer. */
    parameters(layer: number): Parameters;

    free(): void;
    [Symbol.dispose](): void;
}

/**
 * The digit that a picture shows, in the form of MNIST's digits: the rule of `bernet predict`, after
 * `init` or `load`. Ink is 255.
 *
 * @throws Error where the picture shows no ink.
 */
export function readDigit(picture: Picture, height?: number, width?: number): { pixels: Uint8Array; inverted: boolean };

/** The number K of successes among independent trials of unequal probabilities, in f64; after `init` or `load`. */
export interface PoissonBinomial {
    readonly mean: number;
    readonly variance: number;
    readonly skewness: number;
    /** P(K = k) */
    pmf(k: number): number;
    /** P(K ≤ k) */
    cdf(k: number): number;
    /** P(K ≥ k) */
    survival(k: number): number;
    logPmf(k: number): number;
    logSurvival(k: number): number;
    /** The least k with P(K ≤ k) ≥ q. */
    quantile(q: number): number;
    /** P(K = k) for k from 0 to the number of trials. */
    allPmf(): Float64Array;
    /** ∂P(K ≥ k)/∂p for each trial. */
    survivalGradient(k: number): Float64Array;
    free(): void;
    [Symbol.dispose](): void;
}

/** The distribution of independent trials with these probabilities. */
export function poissonBinomial(probabilities: Iterable<number> | ArrayLike<number>): PoissonBinomial;
