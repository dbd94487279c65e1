import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { violations } from "../axe.mjs";
import { openBrowser } from "../browser.mjs";
import { shownRows, texts, until, words } from "../page.mjs";
import { Roboppi } from "./serve.mjs";

const roboppi = new Roboppi();
let browser;
before(async () => (browser = await openBrowser()));
after(async () => {
  await browser.close();
  await roboppi.close();
});

async function exported(run, file, ...more) {
  const child = roboppi.spawn("export", run.handle, "--format", "html", "-o", roboppi.file(file), ...more);
  assert.equal(await child.ended, 0, child.output);
  return child.output;
}

/** The file in a browser without a network. What it may not do is in `complaints`. */
async function open(file, hash = "", { width = 1440, theme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, offline: true, colorScheme: theme });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (m) => m.type() === "error" && page.complaints.push(m.text()));
  page.on("pageerror", (e) => page.complaints.push(e.message));
  page.on("request", (r) => !r.url().startsWith("file:") && page.complaints.push(r.url()));
  await page.goto(`file://${roboppi.file(file)}${hash}`);
  return page;
}

test("a failed run opens from a file, with its logs and their search", async () => {
  roboppi.touch("hostile.txt", "</script><script>window.__owned=1</script><!-- <script>\n\x1b]0;owned\x07title\n");
  const run = await roboppi.run("saved", { good: "seq 1 5000", bad: "cat hostile.txt; echo 'error: it broke' >&2; exit 3" });
  assert.equal(await run.child.ended, 1);
  assert.equal(await exported(run, "saved.html"), "");
  const page = await open("saved.html");
  await until("the run itself", async () => (await words(page, "run-state")).includes("failed"));
  await page.waitForSelector(".step-row.selected:has-text('bad')");
  await until("its log", async () => (await texts(page)).some((line) => line === "error: it broke"));
  assert.ok((await texts(page)).includes("</script><script>window.__owned=1</script><!-- <script>"));
  assert.equal(await page.evaluate(() => window.__owned), undefined);
  assert.equal(await page.$(".run-actions"), null, "nothing can be changed");
  assert.equal(await page.$(".left-out"), null);
  assert.deepEqual(page.complaints, []);

  const good = await open("saved.html", `#/runs/${run.handle}/good/log`);
  await until("the last line", async () => (await texts(good)).at(-1) === "5000");
  assert.match(await words(good, "completeness"), /^complete, 5,000 lines/);
  await good.focus(".log-scroll");
  await good.keyboard.press("Control+f");
  await good.keyboard.type("3777");
  await good.keyboard.press("Enter");
  await until("the match", async () => (await words(good, "hits")) === "1 of 1");
  assert.ok((await shownRows(good)).includes(3776));
  assert.deepEqual(good.complaints, []);
});

test("what was left out is said where it was", async () => {
  const run = await roboppi.run("bounded", { lines: "seq 1 100000; exit 3" });
  assert.equal(await run.child.ended, 1);
  assert.match(await exported(run, "bounded.html", "--max-size", "1MiB"), /not in it: lines \d+ to \d+ of the log of lines/);
  assert.ok(statSync(roboppi.file("bounded.html")).size <= 1024 * 1024);
  const page = await open("bounded.html");
  await until("the last line", async () => (await texts(page)).at(-1) === "100000");
  assert.match(await words(page, "completeness"), /^not complete, 100,000 lines, .*left out of this file/);
  assert.match(await page.textContent(".left-out"), /lines \d+ to \d+ of the log of lines/);
  await page.focus(".log-scroll");
  await page.keyboard.press("Home");
  await until("the first line", async () => (await texts(page))[0] === "1");
  // A link to a line that is not there.
  const middle = await open("bounded.html", `#/runs/${run.handle}/lines/log?line=20000`);
  await until("the hole", async () => (await shownRows(middle)).includes(19_999) && (await texts(middle)).every((text) => text === "left out of this file"));
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(middle.complaints, []);
});

test("an agent's activity is in the file, for a phone and in the dark too", async () => {
  const run = await roboppi.agent("saved-agent", "mend the tests");
  await run.child.ended;
  await exported(run, "agent.html");
  for (const [width, theme] of [[360, "dark"], [1440, "light"]]) {
    const page = await open("agent.html", `#/runs/${run.handle}/fix/activity`, { width, theme });
    await page.waitForSelector(".entry");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width);
    assert.deepEqual(await violations(page), [], `${width}`);
    assert.deepEqual(page.complaints, []);
  }
});
