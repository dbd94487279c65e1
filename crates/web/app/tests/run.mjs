// Runs the tests in the browser: those with made-up runs, and those with a real server if ROBOPPI_BIN or ROBOPPI_URL is given.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromiumPath } from "./browser.mjs";

if (chromiumPath() === undefined) {
  console.log("left out: tests in the browser (no Chromium; apt-get install chromium, or set CHROMIUM)");
  // Nothing is left out where it is decided about changes.
  process.exit(process.env["CI"] ? 1 : 0);
}
const here = fileURLToPath(new URL(".", import.meta.url));
const real = process.env["ROBOPPI_BIN"] !== undefined || process.env["ROBOPPI_URL"] !== undefined;
if (!real) console.log("left out: tests with a real server (set ROBOPPI_BIN to a roboppi binary)");
const files = ["mock", ...(real ? ["real"] : [])].flatMap((dir) => {
  try {
    return readdirSync(here + dir).filter((f) => f.endsWith(".test.mjs")).map((f) => `${here}${dir}/${f}`);
  } catch {
    return [];
  }
});
const only = process.argv.slice(2);
const chosen = only.length > 0 ? files.filter((f) => only.some((o) => f.includes(o))) : files;
if (chosen.length === 0) {
  console.error(`no file of tests is called ${only.join(" or ")}`);
  process.exit(2);
}
// One file at a time: several browsers on a small machine slow each other down.
const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit", ...chosen], { stdio: "inherit" });
process.exit(status ?? 1);
