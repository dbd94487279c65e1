import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "../axe.mjs";
import { drawn, noComplaints, settled, shownRows, until, useMock, words } from "../page.mjs";

const shared = useMock();
const PAGES = ["#/runs", "#/runs/r1", "#/runs/r2", "#/runs/r3", "#/runs/r3/unit-3/overview", "#/runs/r3/unit-3/log?all=1", "#/runs/r4", "#/runs/r5", "#/runs/r5/review/diffs", "#/runs/r5/review/files", "#/runs/r5/review/details", "#/runs/r6", "#/runs/r6/hostile/result", "#/tools", "#/agents", "#/metrics", "#/history"];

/** Goes through all pages in one tab, as a person does. */
async function visit(context, look) {
  const page = await shared.open(PAGES[0], context);
  for (const hash of PAGES) {
    await page.evaluate((to) => (location.hash = to), hash);
    await until("the page", async () => page.url().endsWith(hash));
    await settled(page);
    await look(page, hash);
  }
  noComplaints(page);
  await page.context().close();
}

test("no page breaks WCAG AA", () => visit({}, async (page, hash) => assert.deepEqual(await violations(page), [], hash)));

test("no page has too little contrast in the dark", () => visit({ theme: "dark" }, async (page, hash) => assert.deepEqual(await violations(page, { type: "rule", values: ["color-contrast"] }), [], hash)));

test("no page is wider than a phone, or breaks WCAG AA on it", () =>
  visit({ width: 360, height: 740 }, async (page, hash) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${hash} is ${wide} px wide`);
    assert.deepEqual(await violations(page), [], hash);
  }));

test("runs are in the order of attention, and are found", async () => {
  const page = await shared.open("#/runs");
  await until("rows", async () => (await page.$$(".run-line")).length > 10);
  assert.deepEqual(await page.$$eval(".runs-list section > h2", (all) => all.map((h) => h.textContent.replace(/ \d+$/, ""))), ["Needs you", "Running", "Failed in the last day", "Earlier"]);
  await page.fill('input[aria-label="Search runs"]', "two thou");
  await until("one row", async () => (await page.$$(".run-line")).length === 1);
  await page.fill('input[aria-label="Search runs"]', "nothing has this name");
  await page.waitForSelector("text=Nothing matches");
  await page.click("text=Clear the filter");
  await until("rows again", async () => (await page.$$(".run-line")).length > 10);
  noComplaints(page);
});

test("everything is reached by keys", async () => {
  const page = await shared.open("#/runs");
  await until("rows", async () => (await page.$$(".run-line")).length > 10);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".step-row");
  await page.keyboard.press("1");
  await page.waitForSelector(".overview");
  await page.keyboard.press("2");
  await page.waitForSelector(".log");
  await page.keyboard.press("5");
  await page.waitForSelector(".gantt-row");
  const before = await page.$eval(".step-row.selected", (e) => e.textContent);
  await page.keyboard.press("j");
  await until("another step", async () => (await page.$eval(".step-row.selected", (e) => e.textContent)) !== before);
  await page.keyboard.press("?");
  await page.waitForSelector(".help[open]");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".palette[open]");
  await page.keyboard.type("firehose");
  await page.keyboard.press("Enter");
  await until("the other run", async () => (await page.$eval("h1", (e) => e.textContent)) === "firehose");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".runs-list");
  noComplaints(page);
});

test("a thousand events a second: the page answers, and what is read stays", async (t) => {
  const page = await shared.open("#/runs/r7/fast/activity");
  await until("entries", async () => (await page.$$(".entry")).length > 10);
  await page.evaluate(() => {
    window.__long = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => window.__long.push(e.duration))).observe({ type: "longtask" });
  });
  const total = async () => Number(/of ([\d,]+)/.exec(await words(page, "activity-total"))?.[1].replaceAll(",", ""));
  const before = await total();
  await until("entries arrive", async () => (await total()) > before + 1000);
  await drawn(page);
  const long = await page.evaluate(() => window.__long);
  t.diagnostic(`tasks over 50 ms: ${long.length}, longest ${Math.round(Math.max(0, ...long))} ms`);
  await page.mouse.move(900, 600);
  await page.mouse.wheel(0, -700);
  await until("paused", async () => (await words(page, "pill")).startsWith("paused"));
  await drawn(page);
  const place = () => page.$eval(".activity-scroll", (box) => [...box.querySelectorAll(".call-line")].find((e) => e.getBoundingClientRect().top > box.getBoundingClientRect().top).textContent.match(/echo \d+/)[0]);
  const held = await place();
  const seen = await total();
  await until("more entries", async () => (await total()) > seen + 500);
  await drawn(page);
  assert.equal(await place(), held);
  noComplaints(page);
});

test("activity: calls with results, sub-agents, Markdown, earlier entries", async () => {
  const page = await shared.open("#/runs/r5/review/activity");
  await until("entries", async () => (await page.$$(".entry")).length > 50);
  await until("everything", async () => {
    await page.$eval(".activity-scroll", (e) => (e.scrollTop = 0));
    return /^1,2\d\d of 1,2\d\d/.test(await words(page, "activity-total"));
  });
  assert.ok((await page.$$(".sub .entries .entry")).length > 0, "work of sub-agents is below their call");
  assert.ok((await page.$$(".md table")).length > 0);
  assert.equal(await page.$(".md script, .md img, a[href^='javascript']"), null);
  assert.equal(await page.evaluate(() => window.__owned), undefined);
  // Not where it is at this moment: what is above it may still be drawn.
  await page.$$eval(".long button", (all) => all.find((b) => b.textContent.startsWith("Show all")).click());
  await until("the whole result", async () => (await page.$$eval(".long .code", (all) => Math.max(...all.map((e) => e.textContent.length)))) > 4000);
  noComplaints(page);
});

test("a command is asked about first, and its outcome is shown", async () => {
  const page = await shared.open("#/runs/r4");
  await page.click('.run-actions button:has-text("Cancel")');
  await page.waitForSelector(".confirm[open]");
  await page.keyboard.press("n");
  await until("closed", async () => (await page.$(".confirm")) === null);
  assert.match(await words(page, "run-state"), /running/);
  await page.click('.run-actions button:has-text("Cancel")');
  await page.click('.confirm button:has-text("Cancel it")');
  await until("the outcome", async () => (await page.textContent(".toast")).includes("requested"));
  await until("the state", async () => (await words(page, "run-state")).includes("cancelled by you"));
  noComplaints(page);
});

test("a missing run has a page of its own", async () => {
  const page = await shared.open("#/runs/r999", { expected: ["404"] });
  await page.waitForSelector("text=Run r999 is not here");
  noComplaints(page);
});

test("the time that is left says what it is estimated from, and nothing while a person is waited for", async () => {
  const page = await shared.open("#/runs/r3");
  await until("the estimate", async () => (await words(page, "left")) === "~18m left, from 5 earlier runs");
  await page.goto(`${shared.mock.url}#/runs/r5`);
  await until("the wait", async () => (await page.textContent(".run-facts")).includes("waits for you"));
  await until("its end", async () => (await page.$('[data-testid="left"]')) === null);
  await page.goto(`${shared.mock.url}#/runs`);
  await until("rows", async () => (await page.$$(".run-line")).length > 10);
  const told = (name) => page.$eval(`.run-line:has-text("${name}") .run-progress [title]`, (e) => e.title);
  assert.equal(await told("nightly"), "20 of 60 steps · ~18m left, from 5 earlier runs");
  assert.equal(await told("firehose"), "0 of 2 steps");
  noComplaints(page);
});

test("files are shown with their cause, what the agent never told, and their diff on a click", async () => {
  const page = await shared.open("#/runs/r5/review/files");
  await until("the files", async () => (await page.$$(".file-row")).length > 40);
  const text = await page.textContent(".files");
  assert.match(text, /46 files: 2 by tools, 44 in other ways/);
  assert.match(text, /Noticed so far/);
  const row = (name) => page.$eval(`.file-row:has-text("${name}")`, (e) => e.innerText.replace(/\s+/g, " ").trim());
  assert.match(await row("old_parser.rs"), /^D old_parser.rs deleted −212 not told not by a tool$/);
  assert.match(await row("words.rs"), /^M words.rs modified \+2 −1 by a tool$/);
  assert.match(await row("logo.png"), /48.2 kB/);
  assert.equal(await page.$('button.file-row:has-text("logo.png")'), null, "a picture has no diff to open");
  await page.click('button.file-row:has-text("words.rs")');
  await until("the diff", async () => (await page.textContent(".files .diff")).includes("<b>3</b>"));
  await page.click('button.file-row:has-text("tests/generated/")');
  await until("a folded directory", async () => (await row("tests/generated/")).includes("40 files"));
  await page.goto(`${shared.mock.url}#/runs/r3/unit-0/diffs`);
  await page.click("text=Show the files");
  await page.waitForSelector("text=its step has no artifacts");
  assert.deepEqual(page.complaints.filter((c) => !c.includes("404")), [], "a server that does not compare files is no error");
});

test("the palette finds every page, and nothing moves for those who want that", async () => {
  const page = await shared.open("#/runs", { reducedMotion: "reduce" });
  await until("rows", async () => (await page.$$(".run-line")).length > 10);
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0 && getComputedStyle(e).transitionProperty !== "none").length);
  assert.equal(moving, 0);
  for (const [typed, title] of [["metrics", "Metrics"], ["history", "History"], ["tools", "Tools"], ["agents", "Agents"]]) {
    await page.keyboard.press("Control+k");
    await page.waitForSelector(".palette[open]");
    await page.keyboard.type(typed);
    await page.keyboard.press("Enter");
    await until(title, async () => (await page.textContent("h1")) === title);
  }
  await page.goto(`${shared.mock.url}#/runs/r3`);
  await page.waitForSelector(".step-row");
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".palette[open]");
  await page.keyboard.type("integration-4");
  await until("the step", async () => (await page.textContent("#palette-0")).startsWith("integration-4"));
  await page.keyboard.press("Enter");
  await until("its page", () => page.url().endsWith("#/runs/r3/integration-4"));
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".palette[open]");
  await page.keyboard.type("run r3");
  assert.ok(!(await page.textContent("#palette-0")).startsWith("Kill"), "what ends something is not offered first");
  await page.keyboard.press("Escape");
  await until("the focus is where it was", async () => (await page.$(".palette")) === null);
  noComplaints(page);
});
