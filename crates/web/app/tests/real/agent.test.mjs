import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser } from "../browser.mjs";
import { drawn, noComplaints, openPage, until, words } from "../page.mjs";
import { Roboppi, TOKEN } from "./serve.mjs";

const roboppi = new Roboppi();
let browser;
before(async () => {
  browser = await openBrowser();
  await roboppi.serve();
});
after(async () => {
  await browser.close();
  await roboppi.close();
});

async function open(run) {
  const page = await openPage(browser, `${roboppi.url}login?token=${TOKEN}`);
  await page.waitForSelector(".rail");
  await page.goto(`${roboppi.url}#/runs/${run.handle}`);
  return page;
}

test("calls with results, text as Markdown, the change of a file, and what it cost", async () => {
  const run = await roboppi.agent("work", "mend the tests");
  await run.child.ended;
  const page = await open(run);
  await until("the calls", async () => (await page.$$(".call-line")).length === 3);
  assert.deepEqual(await page.$$eval(".call-line b", (all) => all.map((e) => e.textContent)), ["Bash", "Edit", "Bash"]);
  assert.ok(await page.$(".md strong"), "text is Markdown");
  assert.ok(await page.$(".result.bad"), "a failed call is marked");
  assert.ok((await page.textContent(".diff")).includes("new"));
  await page.keyboard.press("4");
  await until("the result", async () => (await page.textContent(".result-view")).includes("All tests pass."));
  assert.match(await page.textContent(".run-facts"), /\$0\.01/);
  noComplaints(page);
});

test("sub-agents are below the calls that started them", async () => {
  const run = await roboppi.agent("scouts", "scouts");
  await run.child.ended;
  const page = await open(run);
  await until("both", async () => (await page.$$(".sub .call-line")).length === 2);
  noComplaints(page);
});

test("an agent that works is live, a later entry appears by itself", async () => {
  const run = await roboppi.agent("later", "does-more-later");
  const page = await open(run);
  await until("following", async () => (await words(page, "pill")) === "following");
  await until("the entry before the wait", async () => (await page.textContent(".entries")).includes("thing number 1200"));
  roboppi.touch("go");
  await until("the last entries", async () => (await page.textContent(".entries")).includes("thing number 1400"));
  noComplaints(page);
});

test("a thousand events a second of an agent leave the page usable, and the run can be cancelled", async () => {
  const run = await roboppi.steadyAgent(1000, 600);
  const page = await open(run);
  await until("following", async () => (await words(page, "pill")) === "following");
  const total = async () => Number(/of ([\d,]+)/.exec(await words(page, "activity-total"))?.[1].replaceAll(",", ""));
  const before = await until("entries", total);
  await until("more entries", async () => (await total()) > before);
  await drawn(page);
  await page.click('.run-actions button:has-text("Cancel")');
  await page.click('.confirm button:has-text("Cancel it")');
  await until("the state", async () => /cancelled/.test(await words(page, "run-state")));
  noComplaints(page);
});
