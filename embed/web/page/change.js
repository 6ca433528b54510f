// What would change the answer: every pixel turned over, one at a time, and few of them together.

const SIDE = 12;
const MOST_PIXELS = 1024;

/** Whether a net's input is small enough, and of one channel. */
export const canChange = ({ shape: [height, width, channels] }) => channels === 1 && height * width <= MOST_PIXELS;

/** The margin of `label`, negative where another is ahead, with each pixel turned over. */
function margins(net, pixels, label) {
    const count = pixels.length;
    const all = new Uint8Array(count * count);
    for (let at = 0; at < count; at++) {
        all.set(pixels, at * count);
        all[at * count + at] = 255 - pixels[at];
    }
    return net.classify(all).map(({ label: said, margin, scores }) => {
        if (said === label) return { said, margin };
        return { said, margin: scores[label] - scores[said] };
    });
}

/** Draws for each pixel what turning it over does; returns a sentence. */
export function showChange(canvas, net, pixels, prediction, turned = []) {
    const [height, width] = net.inputs[0].shape;
    const all = margins(net, pixels, prediction.label);
    canvas.width = width * SIDE;
    canvas.height = height * SIDE;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const context = canvas.getContext("2d");
    const largest = Math.max(1, ...all.map(({ margin }) => Math.abs(margin - prediction.margin)));
    context.fillStyle = colour("--card");
    context.fillRect(0, 0, canvas.width, canvas.height);
    all.forEach(({ margin }, at) => {
        const [x, y] = [(at % width) * SIDE, Math.floor(at / width) * SIDE];
        if (pixels[at] >= 128) {
            context.fillStyle = colour("--line");
            context.fillRect(x, y, SIDE, SIDE);
        }
        const size = (SIDE - 2) * Math.sqrt(Math.abs(margin - prediction.margin) / largest);
        context.fillStyle = colour(margin < prediction.margin ? "--warm" : "--accent");
        context.fillRect(x + (SIDE - size) / 2, y + (SIDE - size) / 2, size, size);
    });
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    for (const at of turned) context.strokeRect((at % width) * SIDE + 1, Math.floor(at / width) * SIDE + 1, SIDE - 2, SIDE - 2);

    const others = all.filter(({ said }) => said !== prediction.label).length;
    const least = all.reduce((best, one) => (one.margin < best.margin ? one : best));
    if (others > 0) return `${others} of the ${pixels.length} pixels change the answer alone.`;
    return `No single pixel changes the answer. The worst leaves it ahead by ${least.margin} of ${prediction.margin}.`;
}

/** Turns over the worst pixel until another answer comes out; at most 60. */
export function fewest(net, pixels) {
    const changed = pixels.slice();
    const turned = [];
    const { label } = net.classify(changed)[0];
    while (turned.length < 60) {
        const all = margins(net, changed, label);
        let worst = -1;
        all.forEach(({ margin }, at) => {
            if (!turned.includes(at) && (worst < 0 || margin < all[worst].margin)) worst = at;
        });
        changed[worst] = 255 - changed[worst];
        turned.push(worst);
        if (all[worst].said !== label) return { changed, turned, label: all[worst].said };
    }
    return { changed, turned, label };
}
