// The page: what is drawn goes to the net, and what the net says goes to the parts of the page.

import { hasSimd, init, load, readDigit } from "./bernet/bernet.js";
import { drawBlock } from "./bits.js";
import { canChange, fewest, showChange } from "./change.js";
import { testDigits } from "./digits.js";
import { EXAMPLE } from "./example.js";
import { moduleOf } from "./packed.js";
import { Pad } from "./pad.js";
import { showUncertain } from "./uncertain.js";
import { showUnit } from "./unit.js";
import { Work } from "./work.js";

const element = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** More values than this in all layers are not shown. */
const MOST_VALUES = 1 << 24;

/** The net, its file, what it was last given, and what came of it. */
let net;
let file;
let input;
let values;
let prediction;
let chosen;

const pad = new Pad(
    element("pad"),
    () => reads() && readPad(),
    () => {
        if (!reads()) attempt(readPad);
        settle();
    },
);
const work = new Work(element("layers"), choose);

/** Runs something; shows its error where a reader sees it. */
async function attempt(action) {
    try {
        await action();
        element("error").hidden = true;
    } catch (error) {
        element("error").textContent = error.message;
        element("error").hidden = false;
    }
}

// Nets.

async function open(name, source) {
    const bytes = new Uint8Array(await source);
    let next;
    try {
        next = await load(bytes);
        if (next.inputs.length !== 1) throw new Error(`expected a net of one input, found ${next.inputs.length}`);
    } catch (error) {
        next?.free();
        throw new Error(`${name}: ${error.message}`);
    }
    net?.free();
    [net, file] = [next, { name, bytes }];
    [input, values, prediction] = [];
    const [height, width, channels] = net.inputs[0].shape;
    work.show(net);
    choose(work.stages[0], 0);
    element("change").hidden = !canChange(net.inputs[0]);
    const bits = net.inputs[0].type === "bit";
    element("seen-text").textContent = reads()
        ? `The drawing, centred and scaled to ${width}×${height} pixels${bits ? ": one bit a pixel, black +1, white −1" : " of 8 bits"}.`
        : `The picture, scaled to ${width}×${height} pixels of ${channels} colours.`;
    element("speeds").hidden = true;
    element("speed-text").textContent = "";
    about();
    nothing("");
    setTimeout(settle);
    readPad();
}

/** Whether the net reads digits; others are given whole pictures. */
const reads = () => net?.inputs[0].shape[2] === 1;

async function fetched(path) {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    return response.arrayBuffer();
}

function about() {
    const weights = work.stages.reduce((sum, { units, columns }) => sum + units * columns, 0);
    const rows = [
        ["file", `${file.name}, ${number.format(file.bytes.length)} bytes`],
        ["input", `${net.inputs[0].shape.join("×")}, ${net.inputs[0].type}`],
        ["binary layers", `${work.stages.length}, with ${number.format(weights)} weights of one bit`],
        ...Object.entries(net.metadata).filter(([key]) => key !== "configuration"),
    ];
    element("about").replaceChildren(
        ...rows.flatMap(([key, value]) => {
            const [term, text] = [document.createElement("dt"), document.createElement("dd")];
            [term.textContent, text.textContent] = [key, value];
            return [term, text];
        }),
    );
}

// Pictures.

/** Says that there is nothing to read. */
function nothing(text) {
    [input, values, prediction] = [];
    element("label").textContent = "–";
    element("margin").textContent = text;
    element("scores").replaceChildren();
}

function readPad() {
    if (!net) return;
    const [height, width] = net.inputs[0].shape;
    if (!reads()) return show(Object.assign(pad.picture(), { bitmap: element("pad") }));
    let pixels;
    try {
        ({ pixels } = readDigit(pad.picture(), height, width));
    } catch {
        return nothing("Draw a digit.");
    }
    show(pixels);
}

/** Gives the net pixels, or a picture to scale, and shows what comes of it. */
function show(given) {
    input = given;
    const start = performance.now();
    [prediction] = net.classify(input);
    const milliseconds = performance.now() - start;
    say(milliseconds);
    element("seen").classList.toggle("bits", given instanceof Uint8Array);
    if (!(given instanceof Uint8Array)) {
        // Scaled by the browser here, as small pictures are only looked at.
        element("seen").width = net.inputs[0].shape[1];
        element("seen").height = net.inputs[0].shape[0];
        element("seen").getContext("2d").drawImage(given.bitmap, 0, 0, element("seen").width, element("seen").height);
    } else {
        const { atLeast } = net.inputs[0].pixels ?? {};
        const bits = atLeast === undefined ? given : Int8Array.from(given, (value) => (value >= atLeast ? 1 : -1));
        drawBlock(element("seen"), bits, net.inputs[0].shape, 280);
        element("seen").removeAttribute("style");
    }
    const count = net.layers.reduce((sum, { shape: [height, width, channels] }) => sum + height * width * channels, 0);
    values = count <= MOST_VALUES ? net.activations(input) : undefined;
    if (values) work.answers(values);
    if (chosen) choose(chosen.stage, chosen.unit, chosen.place);
}

function say(milliseconds) {
    element("label").textContent = prediction.label;
    const classes = Array.from(prediction.scores, (score, label) => ({ score, label }));
    if (classes.length > 10) classes.sort((a, b) => b.score - a.score).splice(10);
    const others = Array.from(prediction.scores, (score, label) => ({ score, label })).filter(({ label }) => label !== prediction.label);
    const next = others.reduce((best, one) => (one.score > best.score ? one : best)).label;
    const text = (score) => (Number.isInteger(score) ? String(score) : score.toPrecision(3)).replace("-", "−");
    element("margin").textContent = `ahead of ${next} by ${text(prediction.margin)}${reads() ? "" : `, in ${milliseconds.toFixed(1)} ms`}`;
    const all = classes.map(({ score }) => score);
    const [least, range] = [Math.min(...all), Math.max(...all) - Math.min(...all) || 1];
    const list = element("scores");
    list.style.setProperty("--digits", Math.max(...classes.map(({ label }) => String(label).length)));
    while (list.children.length < classes.length) list.append(scoreLine());
    while (list.children.length > classes.length) list.lastChild.remove();
    classes.forEach(({ score, label }, at) => {
        const line = list.children[at];
        line.className = label === prediction.label ? "best" : "";
        line.querySelector(".name").textContent = label;
        line.querySelector(".bar span").style.width = `${(100 * (score - least)) / range}%`;
        line.querySelector(".value").textContent = text(score);
    });
}

function scoreLine() {
    const line = document.createElement("li");
    line.innerHTML = '<span class="name"></span><span class="bar" aria-hidden="true"><span></span></span><span class="value"></span>';
    return line;
}

/** At the end of a stroke: what takes longer. */
function settle() {
    element("drawn").textContent = "";
    if (!input || element("change").hidden) return;
    element("fewest-text").textContent = "";
    element("flips-text").textContent = showChange(element("flips"), net, input, prediction);
}

async function openPicture(blob) {
    const bitmap = await createImageBitmap(blob).catch(() => {
        throw new Error(`${blob.name ?? "picture"}: not a picture that this browser reads`);
    });
    pad.showImage(bitmap);
    // The picture itself is read, not what was drawn of it.
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const picture = context.getImageData(0, 0, bitmap.width, bitmap.height);
    const [height, width] = net.inputs[0].shape;
    if (reads()) show(readDigit(picture, height, width).pixels);
    else show(Object.assign(picture, { bitmap }));
    settle();
}

// Units.

function choose(stage, unit, place) {
    element("unit").hidden = !stage;
    if (!stage) {
        chosen = undefined;
        element("window").hidden = true;
        return;
    }
    const [down, across] = stage.places;
    const kept = chosen?.stage === stage && chosen.unit === unit ? chosen.place : undefined;
    place ??= kept ?? [down >> 1, across >> 1];
    chosen = { stage, unit, place };
    work.mark(stage, unit);
    const seen = sourceValues(stage);
    if (!seen) return;
    chosen.found = showUnit(stage, unit, place, seen);
    frame(stage, place);
    const { agree, differ } = chosen.found;
    if (agree + differ > 0) showUncertain(chosen.found, element("doubt").value / 100);
}

/** Frames the part of the input that a unit of the first layer looks at. */
function frame({ source, input: { shape: [height, width] }, kernel, stride, padding }, place) {
    const box = element("window");
    box.hidden = source.input === undefined;
    const part = (at, side) => `${(100 * at) / side}%`;
    box.style.top = part(place[0] * stride[0] - padding[0], height);
    box.style.left = part(place[1] * stride[1] - padding[1], width);
    box.style.height = part(kernel[0], height);
    box.style.width = part(kernel[1], width);
}

/** The values that a layer reads. */
function sourceValues({ source }) {
    if (source.layer !== undefined) return values?.[source.layer];
    if (!(input instanceof Uint8Array)) return undefined;
    const { atLeast } = net.inputs[0].pixels ?? {};
    if (net.inputs[0].type !== "bit") return Int32Array.from(input);
    return Int8Array.from(input, (value) => (value >= atLeast ? 1 : -1));
}

// Controls.

element("clear").addEventListener("click", () => {
    pad.blank();
    readPad();
});

element("pick").addEventListener("click", () =>
    attempt(async () => {
        const digits = await testDigits();
        const at = Math.floor(Math.random() * digits.count);
        const pixels = digits.pixels(at);
        pad.show(pixels, 28, 28);
        // A digit of MNIST is what the net reads; only another size has to be read anew.
        if (net.inputs[0].shape.join() === "28,28,1") show(pixels);
        else readPad();
        settle();
        element("drawn").textContent = `Test digit ${at + 1}: a person wrote a ${digits.labels[at]}.`;
    }),
);

element("picture").addEventListener("change", ({ target }) => attempt(() => target.files[0] && openPicture(target.files[0])));
element("file").addEventListener("change", ({ target }) => attempt(() => target.files[0] && openFile(target.files[0])));
element("net").addEventListener("change", ({ target }) => attempt(() => open(target.value, fetched(target.value))));
element("doubt").addEventListener("input", () => chosen?.found && showUncertain(chosen.found, element("doubt").value / 100));

element("flips").addEventListener("click", (event) => {
    if (!input) return;
    const [height, width] = net.inputs[0].shape;
    const box = element("flips").getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    const pixels = input.slice();
    pixels[y * width + x] = 255 - pixels[y * width + x];
    show(pixels);
    settle();
});

element("fewest").addEventListener("click", () => {
    if (!input) return;
    const before = prediction.label;
    const { changed, turned, label } = fewest(net, input);
    if (label === before) {
        element("fewest-text").textContent = `${turned.length} pixels, the worst first, were not enough: this answer is hard to change.`;
        return;
    }
    show(changed);
    const text = showChange(element("flips"), net, changed, prediction, turned);
    element("flips-text").textContent = text;
    const pixels = turned.length === 1 ? "one pixel" : `these ${turned.length} pixels`;
    element("fewest-text").textContent = `With ${pixels} turned over the net reads ${label}, not ${before}.`;
});

element("measure").addEventListener("click", () => attempt(measure));

async function measure() {
    const button = element("measure");
    button.disabled = true;
    try {
        const whole = net.inputs[0].shape.join() === "28,28,1";
        const digits = whole ? await testDigits() : undefined;
        const size = net.inputs[0].shape.reduce((product, one) => product * one);
        const noise = () => Uint8Array.from({ length: 10 * size }, () => 256 * Math.random());
        const pixels = digits ? digits.pixels(0, digits.count) : noise();
        const rows = [];
        for (const [simd, name] of [[false, "plain"], [true, "vectors (simd128)"]]) {
            element("speed-text").textContent = `Measuring ${name} …`;
            rows.push({ name, ...(await timed({ simd, net: file.bytes, pixels, labels: digits?.labels })) });
        }
        element("speeds").hidden = false;
        element("speeds").tBodies[0].replaceChildren(
            ...rows.map(({ name, perSecond, seconds, right, count }) => {
                const row = document.createElement("tr");
                const cells = [
                    name,
                    number.format(perSecond),
                    seconds < 1e-3 ? `${(1e6 * seconds).toFixed(1)} µs` : `${(1e3 * seconds).toFixed(1)} ms`,
                    right === undefined ? "–" : `${number.format(right)} of ${number.format(count)}`,
                ];
                row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
                return row;
            }),
        );
        element("speed-text").textContent = `Vectors are ${(rows[1].perSecond / rows[0].perSecond).toFixed(1)} times as fast.`;
    } finally {
        button.disabled = false;
    }
}

/** What a worker of its own measures, with a module of its own. */
function timed(task) {
    const worker = new Worker(new URL("./speed.js", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(task);
    }).finally(() => worker.terminate());
}

// Files that are dropped on the page.

function openFile(dropped) {
    return dropped.name.endsWith(".bnet") ? open(dropped.name, dropped.arrayBuffer()) : openPicture(dropped);
}

addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [dropped] = event.dataTransfer.files;
    if (dropped) attempt(() => openFile(dropped));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => input && settle());

pad.draw(EXAMPLE);
await attempt(async () => {
    const path = element("net").value;
    const bytes = fetched(path);
    await init({ module: moduleOf(hasSimd()) });
    await open(path, bytes);
});
performance.mark("usable");
