// The sum of a unit whose weights are uncertain: its exact distribution beside the normal approximation.

import { poissonBinomial } from "./bernet/bernet.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, BOTTOM] = [720, 230, 24];

const element = (id) => document.getElementById(id);
const percent = (part) => `${(100 * part).toFixed(part > 0.001 && part < 0.999 ? 1 : 3)} %`;

/**
 * Shows the distribution for a doubt of 0 (weights are certain) to 1 (each is a fair coin). Each weight
 * is as it was trained with probability 1 − doubt/2, so each product that is now +1 is so with that probability.
 */
export function showUncertain({ agree, differ, cut }, doubt) {
    const count = agree + differ;
    const keeps = 1 - doubt / 2;
    element("doubt-text").textContent = `each keeps its sign with ${percent(keeps)}`;
    const trials = new Float64Array(count).fill(keeps, 0, agree).fill(1 - keeps, agree);
    const sums = poissonBinomial(trials);
    const { mean, variance } = sums;
    const sigma = Math.sqrt(variance);
    const masses = sums.allPmf();
    // Sums of ±1 are 2k − count for k products of +1.
    const least = cut && Math.ceil((cut.atLeast + count) / 2);
    draw(masses, mean, sigma, count, least);

    const text = element("chart-text");
    const of = `The sum of ${count} products is ${signed(2 * mean - count)} on average, give or take ${(2 * sigma).toFixed(1)}.`;
    if (!cut) text.textContent = of;
    else {
        const reaches = sums.survival(least);
        const normal = sigma > 0 ? distribution((mean - least + 0.5) / sigma) : reaches;
        const plus = (part) => percent(cut.inverted ? 1 - part : part);
        text.textContent = `${of} The unit says +1 with ${plus(reaches)}; by the normal approximation it would be ${plus(normal)}.`;
    }
    sums.free();
}

const signed = (value) => value.toFixed(1).replace("-", "−");

function draw(masses, mean, sigma, count, least) {
    const half = Math.max(6, 4.5 * sigma);
    let [from, to] = [mean - half, mean + half];
    // The threshold is shown where that does not squeeze the rest too much.
    if (least !== undefined && Math.abs(least - mean) < 4 * half) [from, to] = [Math.min(from, least - 2), Math.max(to, least + 2)];
    [from, to] = [Math.max(-1, Math.floor(from)), Math.min(count + 1, Math.ceil(to))];
    const step = WIDTH / (to - from + 1);
    const x = (k) => (k - from + 0.5) * step;
    const density = (k) => Math.exp(-((k - mean) ** 2) / (2 * sigma ** 2)) / (sigma * Math.sqrt(2 * Math.PI));
    const shown = masses.subarray(Math.max(0, from), to + 1);
    const largest = Math.max(...shown, sigma > 0.3 ? density(mean) : 0);
    const y = (mass) => 8 + (HEIGHT - 8 - BOTTOM) * (1 - mass / largest);

    const svg = element("chart");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren();
    const add = (name, attributes, text) => {
        const made = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
        if (text !== undefined) made.textContent = text;
        svg.append(made);
    };
    for (let k = Math.max(0, from); k <= Math.min(count, to); k++) {
        if (masses[k] < largest / 500) continue;
        add("rect", { class: "bar", x: x(k) - 0.4 * step, width: 0.8 * step, y: y(masses[k]), height: HEIGHT - BOTTOM - y(masses[k]) });
    }
    if (sigma > 0.3) {
        const points = Array.from({ length: 200 }, (_, at) => from + (at / 199) * (to - from));
        add("polyline", { class: "curve", points: points.map((k) => `${x(k).toFixed(1)},${y(density(k)).toFixed(1)}`).join(" ") });
    }
    add("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM });
    if (least !== undefined && least >= from && least <= to) {
        add("line", { class: "cut", x1: x(least - 0.5), x2: x(least - 0.5), y1: 0, y2: HEIGHT - BOTTOM });
    }
    const every = Math.max(1, Math.ceil((to - from) / 8));
    for (let k = Math.ceil(from / every) * every; k <= to; k += every) {
        if (k >= 0 && k <= count) add("text", { x: x(k), y: HEIGHT - 6, "text-anchor": "middle" }, String(2 * k - count).replace("-", "−"));
    }
}

/** Φ, to 1e-7 relatively: a Chebyshev fit of erfc. Source: Numerical Recipes, erfcc. */
function distribution(x) {
    const z = Math.abs(x) / Math.SQRT2;
    const t = 1 / (1 + 0.5 * z);
    const polynomial = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223];
    const tail = 0.5 * t * Math.exp(-z * z + polynomial.reduce((sum, term) => sum * t + term));
    return x >= 0 ? 1 - tail : tail;
}
