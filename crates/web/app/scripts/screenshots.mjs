// Makes the pictures of the README with a real server and real runs: ROBOPPI_BIN=… node scripts/screenshots.mjs [DIR]
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openBrowser } from "../tests/browser.mjs";
import { openPage, until } from "../tests/page.mjs";
import { Roboppi, TOKEN } from "../tests/real/serve.mjs";

if (process.env["ROBOPPI_BIN"] === undefined) {
  console.error("set ROBOPPI_BIN to a roboppi binary");
  process.exit(2);
}
const dir = process.argv[2] ?? fileURLToPath(new URL("../../../../docs/images/", import.meta.url));
mkdirSync(dir, { recursive: true });

const CASES = (n, bad) => `for i in $(seq 1 ${n}); do printf 'test words::case_%03d ... \\033[32mok\\033[0m\\n' $i; sleep 0.01; done\n${bad ? "printf 'test words::splits ... \\033[31mFAILED\\033[0m\\n' >&2; exit 101" : "echo; echo 'test result: ok'"}`;
const LIVE = "i=0; while [ ! -e stop ]; do i=$((i+1)); printf '\\033[32m%12s\\033[0m words v0.%s.0\\n' Compiling $i; sleep 0.1; done";

const roboppi = new Roboppi();
const browser = await openBrowser();
try {
  await roboppi.serve();
  for (const bad of [false, false, true, false]) await (await roboppi.run("nightly", { lint: "echo clean", test: CASES(40, bad) })).child.ended;
  const { handle } = await roboppi.run("release", { lint: "echo clean", test: CASES(300, false), build: LIVE, docs: "sleep 2; echo written" });
  for (const theme of ["light", "dark"]) {
    const page = await openPage(browser, `${roboppi.url}login?token=${TOKEN}`, { width: 1280, height: 800, theme });
    await page.waitForSelector(".run-line");
    await page.screenshot({ path: `${dir}/page-runs-${theme}.png` });
    await page.goto(`${roboppi.url}#/runs/${handle}/build/log`);
    await until("lines", async () => (await page.$$(".ln")).length > 15);
    await page.screenshot({ path: `${dir}/page-run-${theme}.png` });
    await page.context().close();
  }
  roboppi.touch("stop");
} finally {
  await browser.close();
  await roboppi.close();
}
