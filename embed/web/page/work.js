// The net at work: for each layer its units, with their weights and their answers.

import { channelOf, drawBlock } from "./bits.js";
import { stagesOf, weightsOf } from "./stages.js";

/** Of a larger layer the first ones are shown, and all when they are asked for. */
const SHOWN_UNITS = 32;
const FIRST_UNITS = 24;

export class Work {
    #box;
    #selected;
    #options = [];
    #values;
    stages = [];

    /** `selected` is called with a stage, a unit, and a place where it looked, or none. */
    constructor(box, selected) {
        this.#box = box;
        this.#selected = selected;
    }

    /** Shows the layers of a net: their weights. */
    show(net) {
        this.stages = stagesOf(net);
        this.#values = undefined;
        this.#box.replaceChildren();
        this.#options = this.stages.map((stage) => this.#layer(stage));
    }

    /** Shows what the units answered. */
    answers(values) {
        this.#values = values;
        this.stages.forEach((stage, at) => {
            const all = values[stage.answers];
            this.#options[at].forEach(({ answer }, unit) => {
                if (all instanceof Int8Array || stage.places[0] * stage.places[1] > 1) {
                    drawBlock(answer, channelOf(all, stage.shape, unit), [...stage.places, 1], 48, 12);
                } else answer.textContent = all[unit];
            });
        });
    }

    /** Marks a unit as the chosen one. */
    mark(stage, unit) {
        this.#options.flat().forEach(({ option }) => option.setAttribute("aria-selected", "false"));
        const options = this.#options[this.stages.indexOf(stage)];
        options.forEach(({ option }) => (option.tabIndex = -1));
        const { option } = options[Math.min(unit, options.length - 1)];
        option.setAttribute("aria-selected", "true");
        option.tabIndex = 0;
    }

    #layer(stage) {
        const layer = document.createElement("div");
        layer.className = "layer";
        const title = document.createElement("h3");
        title.textContent = `Layer ${stage.number}`;
        const text = document.createElement("p");
        text.textContent = describe(stage);
        const units = document.createElement("div");
        units.className = "units";
        units.setAttribute("role", "listbox");
        units.setAttribute("aria-label", `Units of layer ${stage.number}`);
        const shown = stage.units > SHOWN_UNITS ? FIRST_UNITS : stage.units;
        const options = Array.from({ length: shown }, (_, unit) => this.#unit(stage, unit));
        options[0].option.tabIndex = 0;
        units.append(...options.map(({ option }) => option));
        units.addEventListener("keydown", (event) => this.#key(event, options));
        layer.append(title, text, units);
        if (shown < stage.units) {
            const more = document.createElement("button");
            more.type = "button";
            more.textContent = `Show all ${stage.units} units`;
            more.addEventListener("click", () => {
                const rest = Array.from({ length: stage.units - shown }, (_, at) => this.#unit(stage, shown + at));
                options.push(...rest);
                units.append(...rest.map(({ option }) => option));
                more.remove();
                options[shown].option.focus();
                if (this.#values) this.answers(this.#values);
            });
            layer.append(more);
        }
        this.#box.append(layer);
        return options;
    }

    #unit(stage, unit) {
        const option = document.createElement("div");
        option.className = "unit";
        option.tabIndex = -1;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.setAttribute("aria-label", `Unit ${unit + 1} of ${stage.units}`);
        const weights = document.createElement("canvas");
        weights.className = "bits";
        drawBlock(weights, weightsOf(stage, unit), [...stage.kernel, stage.channels], 88, 6);
        const bits = stage.thresholds || stage.places[0] * stage.places[1] > 1;
        const answer = document.createElement(bits ? "canvas" : "span");
        answer.className = bits ? "bits" : "number";
        option.append(weights, answer);

        option.addEventListener("focus", () => this.#selected(stage, unit));
        option.addEventListener("pointermove", (event) => {
            const inside = event.target === answer && bits;
            this.#selected(stage, unit, inside ? placeOf(event, answer, stage.places) : undefined);
        });
        option.addEventListener("click", (event) => {
            const inside = event.target === answer && bits;
            option.focus({ preventScroll: true });
            this.#selected(stage, unit, inside ? placeOf(event, answer, stage.places) : undefined);
        });
        return { option, answer };
    }

    #key(event, options) {
        const at = options.findIndex(({ option }) => option === document.activeElement);
        const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: options.length - 1 };
        const next = options[steps[event.key]];
        if (at < 0 || !next) return;
        event.preventDefault();
        next.option.focus();
    }
}

/** The pixel of a picture that the pointer is on. */
function placeOf(event, canvas, [height, width]) {
    const box = canvas.getBoundingClientRect();
    const part = (at, from, size, count) => Math.max(0, Math.min(count - 1, Math.floor(((at - from) / size) * count)));
    return [part(event.clientY, box.top, box.height, height), part(event.clientX, box.left, box.width, width)];
}

function describe({ units, kernel: [high, wide], channels, columns, places: [down, across], scores }) {
    const eye = high * wide > 1 ? `${high}×${wide} pixels` : "one pixel";
    const depth = channels > 1 ? ` of the ${channels} pictures before` : "";
    const many = down * across > 1 ? `, at ${down}×${across} places` : "";
    const end = down * across > 1 ? "Its sums, added up over all places, are the scores." : "Its sums are the scores.";
    return `${units} units, each with ${columns} weights: ${eye}${depth}${many}. ${scores ? end : ""}`;
}
