import assert from "node:assert/strict";
import { test } from "node:test";
import { drawn, noComplaints, shownRows, texts, until, useMock, words } from "../page.mjs";

const shared = useMock();

test("a log of a million lines opens at its end, reaches every line and stays small", async () => {
  const page = await shared.open("#/runs/r2");
  await until("the last line", async () => (await shownRows(page)).at(-1) === 999_999);
  assert.equal(await words(page, "completeness"), "complete, 1,000,000 lines, 97.0 MB");
  await page.focus(".log-scroll");
  await page.keyboard.press("Home");
  await until("the first line", async () => (await shownRows(page))[0] === 0 && (await texts(page))[0]?.includes("unit 0"));
  const box = await page.$(".log-scroll");
  for (const share of [0.25, 0.5, 0.75, 1]) {
    await box.evaluate((e, s) => (e.scrollTop = (e.scrollHeight - e.clientHeight) * s), share);
    await until(`lines at ${share}`, async () => {
      const rows = await shownRows(page);
      const wanted = 999_999 * share;
      return Math.abs(rows[0] - wanted) < 60 && (await page.$$(".ln.absent")).length === 0;
    });
  }
  assert.equal((await shownRows(page)).at(-1), 999_999);
  assert.ok((await page.$$(".ln")).length < 120, "only visible lines are in the document");
  noComplaints(page);
});

test("the wheel moves a long log by as many lines as a short one", async () => {
  const page = await shared.open("#/runs/r2");
  await until("lines", async () => (await shownRows(page)).at(-1) === 999_999);
  await page.mouse.move(900, 700);
  const before = (await shownRows(page))[0];
  const moved = async () => before - (await shownRows(page))[0];
  for (let i = 1; i <= 5; i += 1) {
    await page.mouse.wheel(0, -180);
    await until("moved", async () => (await moved()) >= 10 * i - 2);
  }
  await drawn(page);
  assert.ok((await moved()) <= 52, `moved ${await moved()} lines`);
  noComplaints(page);
});

test("a link to a line shows that line", async () => {
  const page = await shared.open("#/runs/r2/build/log?line=123457");
  await until("the line", async () => (await page.$eval(".ln.marked", (e) => e.dataset.n)) === "123456");
  assert.ok((await shownRows(page)).includes(123_456));
  await page.click('.ln[data-n="123450"] .ln-no');
  await until("the address", () => page.url().endsWith("line=123451"));
  noComplaints(page);
});

test("Ctrl-F searches the whole log on the server", async () => {
  const page = await shared.open("#/runs/r2");
  await until("lines", async () => (await shownRows(page)).length > 10);
  await page.keyboard.press("Control+f");
  await page.keyboard.type("unit 49850 failed");
  await page.keyboard.press("Enter");
  await until("the match", async () => (await words(page, "hits")) === "1 of 1");
  assert.ok((await shownRows(page)).includes(49_850));
  assert.equal(await page.$eval(".ln.current mark", (e) => e.textContent), "unit 49850 failed");
  await page.fill(".log-search input", "unit \\d+50 failed");
  await page.click('button:has-text(".*")');
  await page.focus(".log-search input");
  await page.keyboard.press("Enter");
  const total = await until("all matches", async () => /1 of (\d+)$/.exec(await words(page, "hits"))?.[1]);
  await page.keyboard.press("Escape");
  assert.equal(total, "10");
  await until("its end", async () => (await page.$('[data-testid="hits"]')) === null);
  noComplaints(page);
});

test("n, N and & go through matches", async () => {
  const page = await shared.open("#/runs/r2");
  await until("lines", async () => (await shownRows(page)).length > 10);
  await page.keyboard.press("/");
  await page.keyboard.type("unit 99");
  await page.keyboard.press("Enter");
  await until("matches", async () => /^1 of \d+$/.test(await words(page, "hits")));
  await page.focus(".log-scroll");
  await page.keyboard.press("n");
  await until("the second", async () => (await words(page, "hits")).startsWith("2 of"));
  await page.keyboard.press("N");
  await until("the first", async () => (await words(page, "hits")).startsWith("1 of"));
  await page.keyboard.press("&");
  await until("only matches", async () => (await page.$$eval(".log-only .ln-text", (all) => all.every((e) => e.textContent.includes("unit 99")) && all.length)) > 0);
  noComplaints(page);
});

test("a live log is followed, pauses when one scrolls up or points at it, and resumes", async () => {
  const page = await shared.open("#/runs/r7/build/log");
  await until("following", async () => (await words(page, "pill")) === "following");
  const first = (await shownRows(page)).at(-1);
  await until("more lines", async () => (await shownRows(page)).at(-1) > first + 500);
  await page.mouse.move(900, 600);
  await page.mouse.move(905, 605);
  await until("a pause", async () => (await words(page, "pill")).startsWith("paused while you point"));
  const held = await shownRows(page);
  await until("new lines are counted", async () => /\d new lines/.test(await words(page, "pill")));
  assert.deepEqual(await shownRows(page), held, "what is read does not move");
  await page.mouse.move(300, 300);
  await until("following again", async () => (await words(page, "pill")) === "following");
  await page.mouse.move(900, 600);
  await page.mouse.wheel(0, -900);
  await until("paused", async () => (await words(page, "pill")).startsWith("paused ·"));
  await page.mouse.move(300, 300);
  await drawn(page);
  const still = await shownRows(page);
  const fresh = async () => Number(/([\d,]+) new lines/.exec(await words(page, "pill"))?.[1].replaceAll(",", ""));
  const counted = await until("new lines are counted", fresh);
  await until("more of them", async () => (await fresh()) > counted + 300);
  assert.deepEqual(await shownRows(page), still);
  await page.click('[data-testid="pill"]');
  await until("following after the button", async () => (await words(page, "pill")) === "following");
  noComplaints(page);
});

test("a hostile log is text", async () => {
  const page = await shared.open("#/runs/r6");
  await until("lines", async () => (await shownRows(page)).length > 5);
  const title = await page.title();
  await page.click('button:has-text("Wrap")');
  await page.focus(".log-scroll");
  await page.keyboard.press("Home");
  await until("the first lines", async () => (await texts(page))[0]?.startsWith("<script>"));
  assert.equal(await page.evaluate(() => window.__owned), undefined);
  assert.equal(await page.title(), title);
  assert.equal(await page.$(".log img, .log script, .log-text a"), null);
  const line = await shared.open("#/runs/r6/hostile/log?line=301");
  await line.click(".ln.marked .ln-cut");
  await until("the whole line", async () => (await line.$$eval(".whole-part", (all) => all.reduce((n, e) => n + e.textContent.length, 0))) === 10_485_760);
  const gap = await shared.open("#/runs/r6/hostile/log?line=251");
  await until("the gap", async () => (await gap.$eval(".ln.gap .ln-text", (e) => e.textContent)) === "1.7 MB given up: limit of 8 MB a step");
  assert.match(await words(gap, "completeness"), /^complete, 400 lines, .* · bytes 8\.1–9\.8 MB given up \(limit of 8 MB a step\)$/);
  for (const p of [page, line, gap]) noComplaints(p);
});

test("a log is downloaded, hidden and shown, and all steps are on one page", async () => {
  const page = await shared.open("#/runs/r3/unit-0/log");
  await until("lines", async () => (await shownRows(page)).length > 5);
  await page.click('summary:has-text("Download")');
  const [download] = await Promise.all([page.waitForEvent("download"), page.click('a:has-text("Text, without colours")')]);
  assert.equal(download.suggestedFilename(), "log.txt");
  await page.click('button:text-is("Hide")');
  await until("its end", async () => (await page.$(".log-body")) === null);
  await page.click('button:text-is("Show")');
  await page.click('button:has-text("All steps")');
  await until("steps beside lines", async () => (await page.$$(".ln-step")).length > 5);
  noComplaints(page);
});

test("the log of all steps is searched, linked to and left by the name of a step", async () => {
  const page = await shared.open("#/runs/r3/unit-0/log");
  await until("lines", async () => (await shownRows(page)).length > 5);
  await page.keyboard.press("a");
  await until("the address", () => page.url().endsWith("all=1"));
  await until("the last line", async () => (await shownRows(page)).at(-1) === 999);
  await page.keyboard.press("Control+f");
  await page.keyboard.type("unit-403 ");
  await page.keyboard.press("Enter");
  await until("the match", async () => (await words(page, "hits")) === "1 of 1");
  await page.click(".ln.current .ln-no");
  await until("the line in the address", () => /all=1&line=\d+$/.test(page.url()));
  const line = /line=(\d+)/.exec(page.url())[1];
  await page.reload();
  await until("the same line", async () => (await page.$eval(".ln.marked", (e) => e.dataset.n)) === String(line - 1));
  assert.ok((await page.$$(".ln-step-name")).length > 0);
  assert.match(await page.getAttribute('a:has-text("Text, without colours")', "href"), /runs\/r3\/log\/download\?format=text$/);
  const name = await page.$eval(".ln-step-name", (e) => e.textContent);
  await page.$eval(".ln-step-name", (e) => e.click());
  await until("the step", () => page.url().endsWith(`#/runs/r3/${name}/log`));
  await until("its end", async () => (await page.$(".ln-step-name")) === null);
  noComplaints(page);
});
