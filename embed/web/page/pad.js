// The drawing area: black strokes on white paper, by mouse, finger or pen.

export class Pad {
    #canvas;
    #context;
    #last;
    #changed;
    #finished;

    /** `changed` is called at most once a frame while something is drawn, `finished` at the end of a stroke. */
    constructor(canvas, changed, finished) {
        this.#canvas = canvas;
        this.#context = canvas.getContext("2d", { willReadFrequently: true });
        this.#finished = finished;
        let waiting = false;
        this.#changed = () => {
            if (waiting) return;
            waiting = true;
            requestAnimationFrame(() => {
                waiting = false;
                changed();
            });
        };
        this.blank();
        canvas.addEventListener("pointerdown", (event) => this.#down(event));
        canvas.addEventListener("pointermove", (event) => this.#move(event));
        for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#up());
    }

    blank() {
        this.#context.fillStyle = "#fff";
        this.#context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    }

    picture() {
        return this.#context.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
    }

    /** Draws strokes, lists of points x, y from 0 to 1. */
    draw(strokes) {
        const { width, height } = this.#canvas;
        for (const [first, ...points] of strokes) {
            let last = [first[0] * width, first[1] * height];
            for (const [x, y] of points) {
                this.#line(last, [x * width, y * height]);
                last = [x * width, y * height];
            }
        }
    }

    /** Shows pixels of ink, 255 where it is full. */
    show(pixels, height, width) {
        this.blank();
        const side = this.#canvas.width / Math.max(height, width);
        pixels.forEach((value, at) => {
            this.#context.fillStyle = `rgb(${[0, 0, 0].fill(255 - value)})`;
            if (value > 0) this.#context.fillRect((at % width) * side, Math.floor(at / width) * side, side, side);
        });
    }

    /** Shows a picture, as large as there is room. */
    showImage(bitmap) {
        this.blank();
        const side = this.#canvas.width;
        const scale = Math.min(side / bitmap.width, side / bitmap.height);
        const [width, height] = [bitmap.width * scale, bitmap.height * scale];
        this.#context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
    }

    #point(event) {
        const box = this.#canvas.getBoundingClientRect();
        const scale = this.#canvas.width / box.width;
        return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    }

    #line(from, to) {
        const context = this.#context;
        context.lineWidth = this.#canvas.width / 13;
        context.lineCap = context.lineJoin = "round";
        context.strokeStyle = "#000";
        context.beginPath();
        context.moveTo(...from);
        context.lineTo(...to);
        context.stroke();
    }

    #down(event) {
        if (event.button !== 0) return;
        event.preventDefault();
        this.#canvas.setPointerCapture(event.pointerId);
        this.#last = this.#point(event);
        this.#line(this.#last, this.#last);
        this.#changed();
    }

    #move(event) {
        if (!this.#last) return;
        // A fast hand has several points in one event.
        const events = event.getCoalescedEvents?.() ?? [];
        for (const one of events.length > 0 ? events : [event]) {
            const point = this.#point(one);
            this.#line(this.#last, point);
            this.#last = point;
        }
        this.#changed();
    }

    #up() {
        if (!this.#last) return;
        this.#last = undefined;
        this.#finished();
    }
}
