import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { violations } from "../axe.mjs";
import { openBrowser } from "../browser.mjs";
import { noComplaints, openPage, settled, shownRows, texts, until, words } from "../page.mjs";
import { Roboppi, TOKEN } from "./serve.mjs";

const roboppi = new Roboppi();
let browser;
let cookies;
before(async () => {
  browser = await openBrowser();
  await roboppi.serve();
});
after(async () => {
  await browser.close();
  await roboppi.close();
});

const COUNTING = (stop) => `i=0\nwhile [ ! -e ${stop} ]; do i=$((i+1)); echo "line $i of the count"; sleep 0.02; done\necho "the end after $i"`;
const state = (page) => page.$eval("[data-connection]", (e) => e.dataset.connection);
const isNumbered = async (page) => {
  const all = await page.$$eval(".ln:not(.absent)", (rows) => rows.map((r) => [Number(r.dataset.n), r.querySelector(".ln-text").textContent]));
  return all.filter(([n, text]) => !text.startsWith("the end") && text !== `line ${n + 1} of the count`);
};

/** A page that is logged in; the session of the first login is used again, as tabs of a browser do. */
async function open(hash, more = {}) {
  if (!cookies) {
    const page = await openPage(browser, `${roboppi.url}login?token=${TOKEN}`);
    await page.waitForSelector(".rail");
    cookies = (await page.context().storageState()).cookies;
    await page.context().close();
  }
  return openPage(browser, roboppi.url + hash, { storageState: { cookies, origins: [] }, ...more });
}

test("a login is refused, then accepted; the link of the terminal leaves no secret in the address", async () => {
  const page = await openPage(browser, roboppi.url, { expected: ["401"] });
  await page.fill("input[name=secret]", "not the token");
  await page.click("text=Log in");
  await page.waitForSelector("text=This token is not valid");
  await page.fill("input[name=secret]", TOKEN);
  await page.click("text=Log in");
  await page.waitForSelector(".rail");
  noComplaints(page);
  const linked = await openPage(browser, `${roboppi.url}login?token=${TOKEN}`);
  await linked.waitForSelector(".rail");
  assert.ok(!linked.url().includes(TOKEN), linked.url());
  noComplaints(linked);
});

test("no runs yet is a page", async () => {
  const page = await open("#/runs");
  await page.waitForSelector("text=No runs yet");
  assert.deepEqual(await violations(page), []);
  noComplaints(page);
});

test("a run appears by itself, its log is live, and at its end complete", async () => {
  const page = await open("#/runs");
  const run = await roboppi.run("live", { count: COUNTING("stop-live") });
  await page.waitForSelector(`.run-line:has-text("${run.handle}")`);
  await page.click(`.run-line:has-text("${run.handle}") a`);
  await until("following", async () => (await words(page, "pill")) === "following");
  const first = await until("lines", async () => (await shownRows(page)).at(-1));
  await until("more lines", async () => (await shownRows(page)).at(-1) > first + 20);
  assert.deepEqual(await isNumbered(page), []);
  roboppi.touch("stop-live");
  await until("its end", async () => (await texts(page)).at(-1)?.startsWith("the end after"));
  await until("completeness", async () => /^complete, [\d,]+ lines, /.test(await words(page, "completeness")));
  await until("the state", async () => (await words(page, "run-state")).includes("succeeded"));
  assert.equal(await run.child.ended, 0);
  noComplaints(page);
});

test("the server is killed and started again: nothing is cleared, missing or doubled", async () => {
  const run = await roboppi.run("reconnect", { count: COUNTING("stop-reconnect") });
  const page = await open(`#/runs/${run.handle}`, { expected: ["ERR_", "WebSocket", "401"] });
  await until("lines", async () => (await shownRows(page)).at(-1) > 30);
  const { port } = roboppi;
  await roboppi.kill();
  await until("the bar", async () => (await page.textContent(".connection-bar")).includes("Disconnected."));
  const kept = (await shownRows(page)).length;
  assert.ok(kept > 10);
  await roboppi.serve(port);
  cookies = undefined;
  // Sessions live in the memory of the server. The page asks by itself, or at once when it is told to.
  await page.evaluate(() => [...document.querySelectorAll("button")].find((b) => b.textContent === "Retry now")?.click());
  await page.fill("input[name=secret]", TOKEN);
  await page.click("text=Log in");
  await until("live again", async () => (await state(page)) === "live");
  const at = (await shownRows(page)).at(-1);
  await until("new lines", async () => (await shownRows(page)).at(-1) > at + 20);
  assert.deepEqual(await isNumbered(page), []);
  const rows = await shownRows(page);
  assert.deepEqual(rows, rows.map((_, i) => rows[0] + i));
  roboppi.touch("stop-reconnect");
  await run.child.ended;
  noComplaints(page);
});

test("eight tabs, one socket each, all current", async () => {
  const run = await roboppi.run("tabs", { count: COUNTING("stop-tabs") });
  const pages = [];
  for (let i = 0; i < 8; i += 1) pages.push(await open(`#/runs/${run.handle}/count/log`));
  for (const page of pages) {
    const at = await until("lines", async () => (await shownRows(page)).at(-1));
    await until("more lines", async () => (await shownRows(page)).at(-1) > at + 10);
    assert.equal(page.sockets, 1);
    noComplaints(page);
  }
  roboppi.touch("stop-tabs");
  for (const page of pages) await until("the end", async () => (await words(page, "run-state")).includes("succeeded"));
});

test("a run is cancelled from the page, and ends for good", async () => {
  const run = await roboppi.run("cancel", { count: COUNTING("never") });
  const page = await open(`#/runs/${run.handle}`);
  await until("lines", async () => (await shownRows(page)).length > 3);
  await page.click('.run-actions button:has-text("Cancel")');
  await page.click('.confirm button:has-text("Cancel it")');
  await until("the state", async () => /cancelled/.test(await words(page, "run-state")));
  assert.notEqual(await run.child.ended, 0);
  noComplaints(page);
});

test("a failure is what one sees first, with its reason and the command that resumes", async () => {
  const run = await roboppi.run("failing", { good: "echo fine", bad: "echo 'error: it broke' >&2\nexit 3" });
  await run.child.ended;
  const page = await open(`#/runs/${run.handle}`);
  await page.waitForSelector(".step-row.selected:has-text('bad')");
  assert.match(await page.textContent(".reason"), /exit code 3/);
  await until("its log", async () => (await texts(page)).some((line) => line === "error: it broke"));
  assert.ok(await page.$(".ln.err"), "standard error is marked");
  assert.match(await page.textContent(".notes"), /--resume/);
  assert.deepEqual(await violations(page), []);
  noComplaints(page);
});

test("a million lines: the end at once, every place, search, download", async () => {
  const run = await roboppi.run("million", { lines: "seq 1 1000000" });
  await run.child.ended;
  const page = await open(`#/runs/${run.handle}/lines/log`);
  await until("the last line", async () => (await texts(page)).at(-1) === "1000000");
  assert.equal(await words(page, "completeness"), "complete, 1,000,000 lines, 6.9 MB");
  await page.focus(".log-scroll");
  await page.keyboard.press("Home");
  await until("the first line", async () => (await texts(page))[0] === "1");
  await page.keyboard.press("Control+f");
  await page.keyboard.type("777777");
  await page.keyboard.press("Enter");
  await until("the match", async () => (await words(page, "hits")) === "1 of 1");
  assert.ok((await shownRows(page)).includes(777_776));
  await page.click('summary:has-text("Download")');
  const [download] = await Promise.all([page.waitForEvent("download"), page.click('a:has-text("Text, without colours")')]);
  const text = readFileSync(await download.path(), "utf8");
  assert.equal(text.split("\n").filter((line) => line !== "").length, 1_000_000);
  noComplaints(page);
});

test("a hostile log is text, also a line of 10 MiB", async () => {
  roboppi.touch("hostile.txt", "<script>window.__owned=1</script><img src=x onerror=window.__owned=1>\n\x1b]0;owned\x07title\n\x1b[2Jclear\n\x1b[31mred\x1b[0m\nשלום עולם\n\u202Eevil\n");
  const run = await roboppi.run("hostile", { hostile: "cat hostile.txt\nhead -c 10485760 /dev/zero | tr '\\0' x\necho\necho last" });
  await run.child.ended;
  const page = await open(`#/runs/${run.handle}/hostile/log?line=1`);
  await until("lines", async () => (await texts(page)).length > 6);
  const lines = await texts(page);
  assert.equal(lines[0], "<script>window.__owned=1</script><img src=x onerror=window.__owned=1>");
  assert.equal(lines[1], "title");
  assert.equal(lines[2], "clear");
  assert.ok(await page.$(".ln .a-fg1"));
  assert.equal(await page.evaluate(() => window.__owned), undefined);
  assert.ok(!(await page.title()).includes("owned"));
  await page.$eval(".ln-cut", (e) => e.click());
  await until("the whole line", async () => (await page.$$eval(".whole-part", (all) => all.reduce((n, e) => n + e.textContent.length, 0))) === 10_485_760);
  noComplaints(page);
});

test("real pages pass axe, and fit a phone", async () => {
  for (const [width, theme] of [[1440, "light"], [360, "dark"]]) {
    const page = await open("#/runs", { width, theme });
    for (const hash of ["#/runs", "#/runs/r1", "#/tools", "#/agents", "#/metrics", "#/history"]) {
      await page.evaluate((to) => (location.hash = to), hash);
      await until("the page", async () => page.url().endsWith(hash));
      await settled(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${hash} at ${width} is ${wide} px wide`);
      if (width > 360) assert.deepEqual(await violations(page), [], hash);
    }
    noComplaints(page);
    await page.context().close();
  }
});
