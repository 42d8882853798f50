// Fails when the built page is larger than its limit: `npm run build` ends with this.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** The whole of what the page can load, fonts apart, in gzipped bytes (PERFORMANCE: 500 kB). */
const BUNDLE_GZIP_BYTES_MAX = 500_000;

const dist = new URL("../dist/", import.meta.url).pathname;
const code = new Set([".js", ".css", ".html"]);
let total = 0;
for (const file of readdirSync(dist, { recursive: true })) {
  if (code.has(extname(file))) total += gzipSync(readFileSync(join(dist, file))).length;
}
console.log(`bundle: ${(total / 1000).toFixed(1)} kB gzipped, limit ${BUNDLE_GZIP_BYTES_MAX / 1000} kB`);
if (total > BUNDLE_GZIP_BYTES_MAX) process.exit(1);
