// One unit at one place: what it sees, its weights, where they agree, and what follows from the count.

import { drawBlock } from "./bits.js";
import { products, weightsOf, windowOf } from "./stages.js";

const element = (id) => document.getElementById(id);

/** Shows the sum of a unit; returns what it is made of, for others to show too. */
export function showUnit(stage, unit, place, values) {
    const weights = weightsOf(stage, unit);
    const seen = windowOf(stage, values, unit, place);
    const found = products(seen, weights);
    const shape = [...stage.kernel, stage.channels];
    const size = stage.columns > 200 ? 150 : 96;
    drawBlock(element("unit-input"), seen, shape, size);
    drawBlock(element("unit-weights"), weights, shape, size);
    drawBlock(element("unit-xnor"), found.xnor, shape, size);

    const [down, across] = stage.places;
    const where = down * across > 1 ? `, line ${place[0] + 1} of ${down}, column ${place[1] + 1} of ${across}` : "";
    element("unit-where").textContent = `Layer ${stage.number}, unit ${unit + 1} of ${stage.units}${where}`;
    const sum = element("unit-sum");
    sum.replaceChildren();
    if (values instanceof Int8Array) {
        sum.append(bold(found.agree), " agree, ", bold(found.differ), ` differ: sum ${found.agree} − ${found.differ} = `, bold(found.sum));
    } else {
        sum.append("This layer reads pixels of 8 bits: those under black weights are added, the others subtracted. Sum ", bold(found.sum));
    }
    const cut = thresholdOf(stage, unit);
    element("unit-decision").textContent = decision(stage, found.sum, cut, values instanceof Int8Array);
    return { ...found, weights, seen, cut };
}

/** The least sum for +1, or with `inverted` for −1; undefined where sums are not turned into bits. */
export function thresholdOf({ thresholds }, unit) {
    return thresholds && { atLeast: thresholds.atLeast[unit], inverted: thresholds.inverted[unit] === 1 };
}

function decision(stage, sum, cut, bits) {
    if (!cut) return stage.scores ? "It is not turned into a bit, but counts for a score." : "It goes on as a number, not as a bit.";
    const reached = sum >= cut.atLeast;
    const answer = reached !== cut.inverted ? "+1 (black)" : "−1 (white)";
    const text = `The threshold is ${String(cut.atLeast).replace("-", "−")}, and the sum ${reached ? "reaches it" : "is below"}: the unit says ${answer}.`;
    if (!bits) return text;
    // A bit that turns over changes the sum by 2.
    const away = reached ? Math.floor((sum - cut.atLeast) / 2) + 1 : Math.ceil((cut.atLeast - sum) / 2);
    if (away > stage.columns) return text;
    return `${text} It would say the opposite if ${away === 1 ? "one bit" : `${away} bits`} turned over.`;
}

function bold(text) {
    const made = document.createElement("b");
    made.textContent = String(text).replace("-", "−");
    return made;
}
