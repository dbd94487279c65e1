// Pictures of every page with made-up runs, to look at: node tests/shots.mjs DIR [filter]
import { mkdir } from "node:fs/promises";
import { start } from "../mock/server.mjs";
import { openBrowser } from "./browser.mjs";
import { settled } from "./page.mjs";

const [dir = ".out/shots", filter = ""] = process.argv.slice(2);
const PAGES = {
  runs: "#/runs",
  "run-agent": "#/runs/r5",
  "run-sixty": "#/runs/r3",
  "run-sixty-live": "#/runs/r3/unit-3/log",
  "run-million": "#/runs/r2",
  "run-many": "#/runs/r4",
  "run-empty": "#/runs/r1",
  "run-hostile": "#/runs/r6",
  "run-firehose": "#/runs/r7",
  "run-diffs": "#/runs/r5/review/diffs",
  "run-files": "#/runs/r5/review/files",
  "run-all": "#/runs/r3/unit-3/log?all=1",
  "run-overview": "#/runs/r3/unit-3/overview",
  "run-result": "#/runs/r6/hostile/result",
  "run-details": "#/runs/r5/review/details",
  gone: "#/runs/r999",
  tools: "#/tools",
  agents: "#/agents",
  metrics: "#/metrics",
  history: "#/history",
};

await mkdir(dir, { recursive: true });
const mock = await start({ empty: process.argv.includes("--empty") });
const browser = await openBrowser();
for (const theme of ["light", "dark"]) {
  for (const width of [360, 1024, 1920]) {
    const context = await browser.newContext({ viewport: { width, height: width === 360 ? 740 : width === 1024 ? 768 : 1080 }, colorScheme: theme });
    const page = await context.newPage();
    page.on("console", (m) => m.type() === "error" && console.log("console:", m.text()));
    page.on("pageerror", (e) => console.log("error:", e.message));
    for (const [name, hash] of Object.entries(PAGES)) {
      const file = `${name}-${width}-${theme}`;
      if (!file.includes(filter)) continue;
      await page.goto("about:blank");
      await page.goto(mock.url + hash);
      await settled(page);
      await page.screenshot({ path: `${dir}/${file}.png` });
    }
    await context.close();
  }
}
await browser.close();
await mock.close();
process.exit(0);
