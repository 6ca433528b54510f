// In Node the module is a file, which `fetch` does not read.

import { readFile } from "node:fs/promises";
import { useReader } from "./bernet.js";

useReader((url) => readFile(url));

export { Net, hasSimd, init, load, poissonBinomial, readDigit } from "./bernet.js";
