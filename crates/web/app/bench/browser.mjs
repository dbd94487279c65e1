// How fast the page is, in a real Chromium with the built program. Prints a table; a goal that is missed is said and is no failure.
//   ROBOPPI_BIN=target/release/roboppi npm run bench             everything, some minutes on a machine that does nothing else
//   ROBOPPI_BIN=… npm run bench -- --quick [figure…]             few samples; only figures whose name has one of the words
import { openBrowser } from "../tests/browser.mjs";
import { Roboppi, TOKEN } from "../tests/real/serve.mjs";
import { FIGURES } from "./figures.mjs";

if (process.env["ROBOPPI_BIN"] === undefined) {
  console.error("set ROBOPPI_BIN to a roboppi binary");
  process.exit(2);
}
const words = process.argv.slice(2).filter((arg) => !arg.startsWith("--"));
const quick = process.argv.includes("--quick");
const rows = [];
const row = (figure, value, goal, unit, samples) => {
  const shown = `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  rows.push([figure, shown, goal === undefined ? "" : `< ${goal} ${unit}`, goal === undefined ? "" : value < goal ? "yes" : "no", samples]);
  console.error(`${figure}: ${shown}`);
};

const roboppi = new Roboppi();
const browser = await openBrowser();
let failed = false;
try {
  await roboppi.serve();
  for (const [name, measure] of Object.entries(FIGURES)) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    try {
      await measure({ roboppi, browser, quick, row, token: TOKEN });
    } catch (error) {
      failed = true;
      console.error(`${name}: ${error.stack}`);
    }
  }
} finally {
  await browser.close();
  await roboppi.close();
}
const table = [["figure", "value", "goal", "reached", "samples"], ...rows.map((cells) => cells.map(String))];
const widths = table[0].map((_, i) => Math.max(...table.map((cells) => cells[i].length)));
for (const cells of table) console.log(`| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`);
process.exit(failed ? 1 : 0);
