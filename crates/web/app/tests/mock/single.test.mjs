import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { conversation, DIFFS, fill, runs } from "../../mock/data.mjs";
import { HOSTILE } from "../../mock/log.mjs";
import { openBrowser } from "../browser.mjs";
import { shownRows, texts, until, words } from "../page.mjs";

let browser;
let dir;
before(async () => {
  browser = await openBrowser();
  dir = mkdtempSync(join(tmpdir(), "roboppi-single-"));
});
after(async () => {
  await browser.close();
  rmSync(dir, { recursive: true });
});

test("a file with a packed record needs no server", async () => {
  fill();
  const run = { ...[...runs.values()].find((r) => r.name === "review"), state: "succeeded", finishedAt: Date.now(), needsYou: [] };
  const lines = Array.from({ length: 5000 }, (_, n) => ({ n, stream: "out", text: n === 4999 ? "the end" : (HOSTILE[n % 40] ?? `line ${n}`) }));
  const attempts = { [run.id]: { "review.1": { items: conversation(300), lines, log: { total: 5000, bytes: 100_000, complete: true }, diffs: DIFFS, blobs: { b1: "</script><script>window.__owned=1</script>" } } } };
  writeFileSync(join(dir, "record.json"), JSON.stringify({ version: 1, host: "vm", roboppi: "0.1.0", runs: [run], attempts }));
  execFileSync(process.execPath, [fileURLToPath(new URL("../../scripts/single.mjs", import.meta.url)), join(dir, "record.json"), join(dir, "out.html")]);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, offline: true });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(e.message));
  page.on("request", (r) => !r.url().startsWith("file:") && complaints.push(r.url()));
  await page.goto(`file://${dir}/out.html#/runs/${run.handle}/review/log`);
  await until("the last line", async () => (await shownRows(page)).at(-1) === 4999 && (await texts(page)).at(-1) === "the end");
  assert.match(await words(page, "completeness"), /^complete, 5,000 lines/);
  await page.keyboard.press("6");
  await until("entries", async () => (await page.$$(".entry")).length > 20);
  await page.keyboard.press("3");
  await page.waitForSelector(".file-diff");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".run-line");
  assert.equal(await page.evaluate(() => window.__owned), undefined);
  assert.equal(await page.$(".run-actions"), null, "nothing can be changed");
  assert.deepEqual(complaints, []);
});
