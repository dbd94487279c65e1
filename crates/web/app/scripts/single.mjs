// Packs the built page and a record into one HTML file, which needs no server:
//   node scripts/single.mjs record.json out.html
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [from, to] = process.argv.slice(2);
if (!from || !to) {
  console.error("usage: node scripts/single.mjs RECORD.json OUT.html");
  process.exit(2);
}
writeFileSync(to, single(readFileSync(from, "utf8")));

export function single(record) {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  const asset = (ending) => readFileSync(`${dist}assets/${readdirSync(`${dist}assets`).find((name) => name.endsWith(ending))}`, "utf8");
  // Neither text may end its element.
  const script = asset(".js").replaceAll("</script", "<\\/script");
  const style = asset(".css").replaceAll("</style", "<\\/style");
  const data = JSON.stringify(JSON.parse(record)).replaceAll("<", "\\u003c");
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:`;
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">',
    `<title>roboppi</title><style>${style}</style></head><body><div id="app"></div>`,
    `<script type="application/json" id="roboppi-record">${data}</script>`,
    `<script type="module">${script}</script></body></html>\n`,
  ].join("\n");
}
