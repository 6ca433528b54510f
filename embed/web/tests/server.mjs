// A static server on loopback, and a browser.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
};

/** Serves a folder; `sent` counts the bytes of the bodies. */
export async function serve(folder, headers = {}) {
    const served = { sent: 0 };
    const server = createServer((request, response) => {
        const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
        const name = join(folder, path.endsWith("/") ? `${path}index.html` : path);
        try {
            const { size } = statSync(name);
            response.writeHead(200, { ...headers, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream", "Content-Length": size });
            served.sent += size;
            createReadStream(name).pipe(response);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    served.url = `http://127.0.0.1:${server.address().port}/`;
    served.close = () => new Promise((resolve) => server.close(resolve).closeAllConnections());
    return served;
}

/** Debian's Chromium, or the one that CHROMIUM names. */
export const LAUNCH = {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
};
