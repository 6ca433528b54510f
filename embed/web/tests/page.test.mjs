// The page in Chromium: drawing, the 10 000 digits, damaged files, other nets, accessibility, requests.
//   node --test page.test.mjs, with BERNET (the native program) and SITE (the built page)

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { LAUNCH, serve } from "./server.mjs";
import { STROKES } from "./strokes.mjs";

const { BERNET, SITE, MODELS } = process.env;
const NET = join(MODELS, "mnist-bernoulli.bnet");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "bernet-web-"));
mkdirSync(pictures, { recursive: true });

let [server, browser] = [];
before(async () => {
    server = await serve(SITE);
    browser = await chromium.launch(LAUNCH);
});
after(async () => {
    await browser.close();
    await server.close();
});

/** A page that is ready; what it complained of, and where it sent requests. */
async function opened(options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.complaints = [];
    page.requests = [];
    page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("request", (request) => page.requests.push(request.url()));
    await page.goto(server.url);
    await page.waitForFunction(() => performance.getEntriesByName("usable").length > 0);
    return page;
}

/** Nothing was complained of, and nothing went elsewhere. */
async function quiet(page) {
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(server.url) && !url.startsWith("blob:")), []);
    await page.context().close();
}

async function draw(page, strokes) {
    await page.click("#clear");
    const pad = page.locator("#pad");
    await pad.scrollIntoViewIfNeeded();
    const box = await pad.boundingBox();
    for (const [first, ...points] of strokes) {
        await page.mouse.move(box.x + first[0] * box.width, box.y + first[1] * box.height);
        await page.mouse.down();
        for (const [x, y] of points) await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
        await page.mouse.up();
    }
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

const scores = (page) => page.$$eval("#scores .value", (list) => list.map((one) => Number(one.textContent.replace("−", "-"))));

test("ten drawings are read right, and as bernet predict reads them", async () => {
    const page = await opened();
    const files = [];
    const found = [];
    for (const strokes of STROKES) {
        await draw(page, strokes);
        found.push({ label: Number(await page.textContent("#label")), scores: await scores(page) });
        const url = await page.$eval("#pad", (pad) => pad.toDataURL());
        const file = join(pictures, `drawn-${files.length}.png`);
        writeFileSync(file, Buffer.from(url.split(",")[1], "base64"));
        files.push(file);
    }
    assert.deepEqual(found.map(({ label }) => label), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const native = execFileSync(BERNET, ["predict", NET, "--json", ...files], { encoding: "utf8" });
    const logits = native.trim().split("\n").map((line) => JSON.parse(line).logits);
    assert.deepEqual(found.map(({ scores }) => scores), logits);
    await quiet(page);
});

test("10 000 digits: plain, vectors and the native program agree", async () => {
    const page = await opened();
    await page.click("#measure");
    await page.waitForSelector("#speeds:not([hidden])", { timeout: 60_000 });
    const rows = await page.$$eval("#speeds tbody tr", (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
    const native = execFileSync(BERNET, ["eval", NET], { encoding: "utf8" }).match(/\((\d+)\/10000\)/)[1];
    for (const row of rows) assert.equal(row[3].replaceAll(",", ""), `${native} of 10000`);
    assert.equal(rows.length, 2);
    console.log(rows.map((row) => row.join(" | ")).join("\n"));
    await quiet(page);
});

test("damaged files show why, and nothing else breaks", async () => {
    const page = await opened();
    await draw(page, STROKES[4]);
    const bytes = readFileSync(NET);
    const flipped = Buffer.from(bytes);
    flipped[200] ^= 4;
    for (const [name, buffer, text] of [
        ["short.bnet", bytes.subarray(0, 100), /length of the file/],
        ["flipped.bnet", flipped, /checksum/],
        ["text.bnet", Buffer.from("not a net"), /not a \.bnet file/],
        ["empty.bnet", Buffer.alloc(0), /\.bnet/],
        ["no.png", Buffer.from("no picture"), /no\.png: not a picture/],
    ]) {
        // Dropped, as a person does it.
        await page.evaluate(
            ([name, bytes]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], name));
                dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
            },
            [name, [...buffer]],
        );
        await page.waitForFunction((name) => document.querySelector("#error").textContent.startsWith(name), name);
        assert.match(await page.textContent("#error"), text);
        assert.equal(await page.textContent("#label"), "4");
    }
    await draw(page, STROKES[7]);
    assert.equal(await page.textContent("#label"), "7");
    await quiet(page);
});

test("other nets: larger, of grey values", async () => {
    const page = await opened();
    await page.selectOption("#net", "nets/mnist-lenet.bnet");
    await page.waitForFunction(() => document.querySelector("#about").textContent.includes("lenet"));
    await draw(page, STROKES[3]);
    assert.equal(await page.textContent("#label"), "3");
    await page.setInputFiles("#file", join(MODELS, "mnist-grey.bnet"));
    await page.waitForFunction(() => document.querySelector("#about").textContent.includes("mnist-grey"));
    await draw(page, STROKES[2]);
    assert.equal(await page.textContent("#label"), "2");
    const file = join(pictures, "grey.png");
    writeFileSync(file, Buffer.from((await page.$eval("#pad", (pad) => pad.toDataURL())).split(",")[1], "base64"));
    const native = execFileSync(BERNET, ["predict", join(MODELS, "mnist-grey.bnet"), "--json", file], { encoding: "utf8" });
    assert.deepEqual(await scores(page), JSON.parse(native).logits);
    await quiet(page);
});

// BERNET_ZOO names a folder with quicknet.tflite, which is too large to be kept here.
test("quicknet runs on a picture, with its time", { skip: !process.env.BERNET_ZOO && "BERNET_ZOO is not set" }, async () => {
    const net = join(pictures, "quicknet.bnet");
    execFileSync(BERNET, ["import", join(process.env.BERNET_ZOO, "quicknet.tflite"), "--pixels", "-1..1", "-o", net]);
    const page = await opened();
    await page.setInputFiles("#file", net);
    await page.waitForFunction(() => document.querySelector("#margin").textContent.includes("ms"), null, { timeout: 60_000 });
    await page.setInputFiles("#picture", join(MODELS, "../docs/seven.png"));
    assert.match(await page.textContent("#margin"), /^ahead of \d+ by [\d.e-]+, in [\d.]+ ms$/);
    assert.equal(await page.locator("#scores li").count(), 10);
    console.log(await page.textContent("#margin"));
    await page.screenshot({ path: join(pictures, "quicknet.png"), fullPage: true });
    await quiet(page);
});

test("a unit's sum is worked out, by mouse and by keyboard", async () => {
    const page = await opened();
    const unit = page.locator('[role="option"]').nth(3);
    await unit.hover();
    assert.match(await page.textContent("#unit-where"), /Layer 1, unit 4 of 8/);
    const [, agree, differ] = (await page.textContent("#unit-sum")).match(/^(\d+) agree, (\d+) differ/);
    assert.equal(Number(agree) + Number(differ), 36);
    await page.locator('[role="listbox"]').nth(1).locator('[tabindex="0"]').focus();
    await page.keyboard.press("End");
    assert.match(await page.textContent("#unit-where"), /Layer 2, unit 32 of 32/);
    await page.keyboard.press("ArrowLeft");
    assert.match(await page.textContent("#unit-where"), /Layer 2, unit 31 of 32/);
    // Certain weights give one sum, and fair coins a sum of 0 on average.
    await page.fill("#doubt", "100");
    assert.match(await page.textContent("#chart-text"), /is −?0\.0 on average/);
    await page.fill("#doubt", "0");
    assert.match(await page.textContent("#chart-text"), /give or take 0\.0/);
    await page.fill("#doubt", "30");
    await draw(page, STROKES[7]);
    await page.click("#fewest");
    assert.match(await page.textContent("#fewest-text"), /the net reads \d, not 7/);
    await quiet(page);
});

for (const [name, options] of [
    ["wide", { viewport: { width: 1280, height: 900 }, colorScheme: "light" }],
    ["dark", { viewport: { width: 1024, height: 800 }, colorScheme: "dark" }],
    ["phone", { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, isMobile: true }],
]) {
    test(`no violation is found by axe, and nothing is cut off: ${name}`, async () => {
        const page = await opened(options);
        await page.locator('[role="option"]').nth(2).click();
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`), []);
        const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide[0] <= wide[1], `${wide[0]} pixels in a window of ${wide[1]}`);
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
        await page.screenshot({ path: join(pictures, `${name}-top.png`) });
        await quiet(page);
    });
}

test("usable within a second, with at most 400 kB", async () => {
    // The best of five, each with a cache of its own; where other programs wait for a core, as much longer as they make it.
    const limit = 1000 * Math.max(1, loadavg()[0] / availableParallelism());
    let best = Infinity;
    for (let at = 0; at < 5; at++) {
        server.sent = 0;
        const page = await opened();
        best = Math.min(best, await page.evaluate(() => performance.getEntriesByName("usable")[0].startTime));
        assert.ok(server.sent <= 400_000, `${server.sent} bytes`);
        await quiet(page);
    }
    console.log(`usable after ${best.toFixed(0)} ms of ${limit.toFixed(0)}, ${server.sent} bytes`);
    assert.ok(best < limit, `${best} ms, expected less than ${limit}`);
});
