// Makes the pictures of the README with a real server and real runs: ROBOPPI_BIN=… node scripts/screenshots.mjs [DIR]
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openBrowser } from "../tests/browser.mjs";
import { openPage, settled, shownRows, until } from "../tests/page.mjs";
import { Roboppi, TOKEN } from "../tests/real/serve.mjs";

if (process.env["ROBOPPI_BIN"] === undefined) {
  console.error("set ROBOPPI_BIN to a roboppi binary");
  process.exit(2);
}
const dir = process.argv[2] ?? fileURLToPath(new URL("../../../../docs/images/", import.meta.url));
mkdirSync(dir, { recursive: true });

const CASES = (n, bad) => `for i in $(seq 1 ${n}); do printf 'test words::case_%03d ... \\033[32mok\\033[0m\\n' $i; sleep 0.005; done\n${bad ? "printf 'test words::splits ... \\033[31mFAILED\\033[0m\\n' >&2; exit 101" : "echo; echo 'test result: ok'"}`;
const LIVE = "i=0; while [ ! -e stop ]; do i=$((i+1)); printf '\\033[32m%12s\\033[0m words v0.%s.0 (crates/words)\\n' Compiling $i; sleep 0.05; done";

/** A workflow of commands and agents, `{ step: [what it runs, the steps before it] }`. */
function workflow(steps) {
  return Object.entries(steps).map(([name, [what, after = []]]) => {
    const lines = what.prompt === undefined ? what.trim().split("\n") : [what.prompt];
    const worker = what.prompt === undefined ? "CUSTOM\n    capabilities: [RUN_COMMANDS]" : "CLAUDE_CODE\n    capabilities: [READ, EDIT, RUN_TESTS]";
    const before = after.length > 0 ? `    depends_on: [${after.join(", ")}]\n` : "";
    return `  ${name}:\n    worker: ${worker}\n${before}    instructions: |\n${lines.map((line) => `      ${line}`).join("\n")}\n`;
  }).join("");
}

const RELEASE = (live) => workflow({
  fetch: ["echo fetched"],
  lint: ["echo clean", ["fetch"]],
  test: [CASES(120, false), ["fetch"]],
  review: [{ prompt: "mend the tests" }, ["fetch"]],
  build: [live ? LIVE : "echo built", ["lint", "test"]],
  docs: ["echo written", ["lint"]],
  package: ["echo packed", ["build", "docs", "review"]],
  publish: ["echo published", ["package"]],
});

const roboppi = new Roboppi();
const browser = await openBrowser();
try {
  await roboppi.serve();
  for (const bad of [false, false, true, false]) {
    const nightly = workflow({ lint: ["echo clean"], test: [CASES(40, bad), ["lint"]] });
    await (await roboppi.start("nightly", nightly)).child.ended;
    if (!bad) await (await roboppi.start("release", RELEASE(false))).child.ended;
  }
  const { handle } = await roboppi.start("release", RELEASE(true));
  for (const theme of ["light", "dark"]) {
    const page = await openPage(browser, `${roboppi.url}login?token=${TOKEN}`, { width: 1280, height: 720, theme });
    await until("the runs", async () => (await page.$$(".run-line")).length > 7 && (await page.textContent(".runs-list")).includes("5/8"));
    await settled(page);
    await page.screenshot({ path: `${dir}/page-runs-${theme}.png` });
    await page.goto(`${roboppi.url}#/runs/${handle}/build/log`);
    await until("lines", async () => (await shownRows(page)).at(-1) > 100);
    await page.screenshot({ path: `${dir}/page-run-${theme}.png` });
    await page.context().close();
  }
  roboppi.touch("stop");
} finally {
  await browser.close();
  await roboppi.close();
}
