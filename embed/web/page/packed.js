// Files that are stored in gzip, since servers of plain files seldom pack what they send.

/** The bytes of a file, unpacked. */
export async function unpacked(path) {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    // Some servers say that it is gzip, and the browser has unpacked it.
    if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The WebAssembly module with vectors, or without. */
export const moduleOf = (simd) => unpacked(`bernet/bernet${simd ? "-simd" : ""}.wasm.gz`);
