// The layers of a net that have weights of ±1, each with the thresholds that follow it.

/** Of each such layer: where it looks, its weights, and which layer has its answers. */
export function stagesOf(net) {
    const stages = [];
    net.layers.forEach((layer, index) => {
        if (layer.op !== "binary conv" && layer.op !== "binary dense") return;
        const source = layer.inputs[0];
        const input = source.input === undefined ? net.layers[source.layer] : net.inputs[source.input];
        const [height, width] = input.shape;
        const readers = net.layers.flatMap((other, at) => (other.inputs.some((from) => from.layer === index) ? [at] : []));
        const after = readers.length === 1 && net.layers[readers[0]].type === "bit" ? readers[0] : undefined;
        const { weights, columns } = net.parameters(index);
        const groups = layer.groups ?? 1;
        const kernel = layer.kernel ?? [height, width];
        stages.push({
            index,
            number: stages.length + 1,
            op: layer.op,
            source,
            input,
            groups,
            kernel,
            stride: layer.stride ?? [1, 1],
            padding: layer.padding ?? [0, 0, 0, 0],
            paddingValue: layer.paddingValue ?? 0,
            dilation: layer.dilation ?? [1, 1],
            channels: columns / (kernel[0] * kernel[1]),
            units: layer.shape[2],
            places: layer.shape.slice(0, 2),
            shape: layer.shape,
            answers: after ?? index,
            thresholds: after !== undefined && net.layers[after].op === "threshold" ? net.parameters(after) : undefined,
            scores: isLast(net, index),
            columns,
            weights,
        });
    });
    return stages;
}

/** Whether a layer's sums are the scores, or are added up to them. */
function isLast({ layers, outputs }, index) {
    const { layer } = outputs[0].from;
    return layer === index || (layers[layer]?.op === "sum" && layers[layer].inputs[0].layer === index);
}

/** The weights of a unit, in the order line, column, channel of its kernel. */
export const weightsOf = (stage, unit) => stage.weights.subarray(unit * stage.columns, (unit + 1) * stage.columns);

/** What a unit sees at a place: the values under its kernel, in the order of its weights. */
export function windowOf(stage, values, unit, [y, x]) {
    const [height, width, channels] = stage.input.shape;
    const first = Math.floor((unit * stage.groups) / stage.units) * stage.channels;
    const seen = new values.constructor(stage.columns);
    let at = 0;
    for (let line = 0; line < stage.kernel[0]; line++) {
        const from = y * stage.stride[0] + line * stage.dilation[0] - stage.padding[0];
        for (let column = 0; column < stage.kernel[1]; column++) {
            const side = x * stage.stride[1] + column * stage.dilation[1] - stage.padding[1];
            const inside = from >= 0 && from < height && side >= 0 && side < width;
            for (let channel = 0; channel < stage.channels; channel++) {
                const place = (from * width + side) * channels + first + channel;
                seen[at++] = inside ? values[place] : stage.paddingValue;
            }
        }
    }
    return seen;
}

/** The products of what is seen with the weights: how many are +1, how many −1, and their sum. */
export function products(seen, weights) {
    let [agree, differ, sum] = [0, 0, 0];
    const xnor = new Int8Array(weights.length);
    for (let at = 0; at < weights.length; at++) {
        const product = seen[at] * weights[at];
        sum += product;
        xnor[at] = Math.sign(product);
        if (product > 0) agree++;
        else if (product < 0) differ++;
    }
    return { xnor, agree, differ, sum };
}
