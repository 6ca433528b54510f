// Bits as pictures, in any theme: +1 black, −1 white, 0 (padding) grey.

const BETWEEN = 150;

/** Lines and columns of `count` things in a rectangle that is near a square. */
export function nearSquare(count) {
    let columns = Math.ceil(Math.sqrt(count));
    while (columns < 2 * Math.sqrt(count) && count % columns !== 0) columns++;
    if (count % columns !== 0) columns = Math.ceil(Math.sqrt(count));
    return [Math.ceil(count / columns), columns];
}

/** How a block of height × width × channels is laid out: a tile for each channel, side by side. */
function tiling([height, width, channels]) {
    if (height * width === 1) {
        const [lines, columns] = nearSquare(channels);
        return { height: lines, width: columns, place: (_, channel) => [Math.floor(channel / columns), channel % columns] };
    }
    const [down, across] = nearSquare(channels);
    return {
        height: down * (height + 1) - 1,
        width: across * (width + 1) - 1,
        place: (at, channel) => [
            Math.floor(channel / across) * (height + 1) + Math.floor(at / width),
            (channel % across) * (width + 1) + (at % width),
        ],
    };
}

/**
 * Draws values in the order line, column, channel. `size` is how wide the picture may be in pixels; each
 * value takes a whole number of them. Returns how the picture is laid out.
 */
export function drawBlock(canvas, values, shape, size, most = 12) {
    const tiles = tiling(shape);
    const scale = Math.max(1, Math.min(most, Math.floor(size / tiles.width)));
    canvas.width = tiles.width;
    canvas.height = tiles.height;
    canvas.style.width = `${tiles.width * scale}px`;
    canvas.style.height = `${tiles.height * scale}px`;
    const image = new ImageData(tiles.width, tiles.height);
    image.data.fill(BETWEEN);
    const grey = greys(values);
    const channels = shape[2];
    for (let at = 0; at < values.length; at++) {
        const [y, x] = tiles.place(Math.floor(at / channels), at % channels);
        image.data.fill(grey(values[at]), 4 * (y * tiles.width + x), 4 * (y * tiles.width + x) + 3);
    }
    for (let at = 3; at < image.data.length; at += 4) image.data[at] = 255;
    canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The grey of a value: of signs three, of other numbers from the least (white) to the largest. */
function greys(values) {
    if (values instanceof Int8Array) return (value) => (value > 0 ? 0 : value < 0 ? 255 : BETWEEN);
    let [least, largest] = [Infinity, -Infinity];
    for (const value of values) {
        least = Math.min(least, value);
        largest = Math.max(largest, value);
    }
    const range = largest - least || 1;
    return (value) => 255 - Math.round((255 * (value - least)) / range);
}

/** One channel of an item in the order line, column, channel. */
export function channelOf(values, [height, width, channels], channel) {
    const plane = new values.constructor(height * width);
    for (let at = 0; at < plane.length; at++) plane[at] = values[at * channels + channel];
    return plane;
}
