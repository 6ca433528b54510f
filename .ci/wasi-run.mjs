// Runs a wasm32-wasip1 program: node --no-warnings wasi-run.mjs PROGRAM.wasm [ARG…]
import fs from 'node:fs';
import { WASI } from 'node:wasi';

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1',
  args: [program, ...rest],
  env: process.env,
  preopens: { '/': '/', '.': '.' },
});
const module = await WebAssembly.compile(fs.readFileSync(program));
// The functions of POSIX threads that Debian 12's wasi-libc lacks: a thread cannot be had (58, ENOTSUP), the others do nothing.
const env = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  if (from === 'env') env[name] = () => (name === 'pthread_create' ? 58 : 0);
}
const instance = await WebAssembly.instantiate(module, { ...wasi.getImportObject(), env });
process.exitCode = wasi.start(instance);
