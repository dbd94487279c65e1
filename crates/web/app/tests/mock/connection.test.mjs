import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "../../mock/server.mjs";
import { openBrowser } from "../browser.mjs";
import { noComplaints, openPage, shownRows, until, words } from "../page.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

const state = (page) => page.$eval("[data-connection]", (e) => e.dataset.connection);
const REFUSED = ["ERR_CONNECTION_REFUSED", "WebSocket connection", "ERR_"];

test("the server goes and comes back: nothing is cleared, nothing is missing or doubled", async () => {
  const first = await start();
  const port = Number(new URL(first.url).port);
  const page = await openPage(browser, `${first.url}#/runs/r7/build/log`, { expected: REFUSED });
  await until("live", async () => (await state(page)) === "live");
  await until("lines", async () => (await shownRows(page)).at(-1) > 300);
  await first.close();
  await until("the bar", async () => (await page.textContent(".connection-bar")).includes("Disconnected."));
  assert.ok((await shownRows(page)).length > 10, "lines stay");
  assert.equal(await state(page), "reconnecting");
  assert.match(await words(page, "completeness"), /^not current, [\d,]+ lines/);
  const second = await start({ port });
  await page.click("text=Retry now");
  await until("live again", async () => (await state(page)) === "live");
  await until("no bar", async () => (await page.$(".connection-bar")) === null);
  await until("following", async () => (await words(page, "pill")) === "following");
  const at = (await shownRows(page)).at(-1);
  await until("new lines", async () => (await shownRows(page)).at(-1) > at + 200);
  const rows = await shownRows(page);
  assert.deepEqual(rows, rows.map((_, i) => rows[0] + i), "line numbers are without a hole");
  const wrong = await page.$$eval(".ln:not(.absent)", (all) => all.map((r) => [Number(r.dataset.n), r.textContent]).filter(([n, text]) => !text.includes(`unit-${n} `) && !text.includes(`unit ${n} `) && !text.includes(`x${n}\``)));
  assert.deepEqual(wrong, [], "each line is the one of its number");
  noComplaints(page);
  await second.close();
});

test("without sockets the page asks every two seconds", async () => {
  const mock = await start({ ws: false });
  const page = await openPage(browser, `${mock.url}#/runs/r7/build/log`, { expected: ["WebSocket"] });
  await until("polling", async () => (await state(page)) === "every 2 s");
  const first = await until("lines", async () => (await shownRows(page)).at(-1));
  await until("new lines", async () => (await shownRows(page)).at(-1) > first + 500);
  noComplaints(page);
  await mock.close();
});

test("a login is refused, then accepted, and the place is kept", async () => {
  const mock = await start({ token: "s3cret" });
  const page = await openPage(browser, `${mock.url}#/runs/r3`, { expected: ["401"] });
  await page.waitForSelector("text=Open the link that roboppi serve has printed");
  await page.fill("input[name=secret]", "wrong");
  await page.click("text=Log in");
  await page.waitForSelector("text=This token is not valid");
  await page.fill("input[name=secret]", "s3cret");
  await page.click("text=Log in");
  await until("the run", async () => (await page.textContent("h1")) === "nightly");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("Log out");
  await page.keyboard.press("Enter");
  await page.waitForSelector("input[name=secret]");
  noComplaints(page);
  await mock.close();
});

test("any base path works", async () => {
  const mock = await start({ base: "/deep/er/" });
  const page = await openPage(browser, `${mock.url}#/runs/r3/unit-3/log`);
  await until("live", async () => (await state(page)) === "live");
  await page.click("text=History");
  await until("the address", () => page.url() === `${mock.url}#/history`);
  await page.reload();
  await page.waitForSelector(".run-strip");
  noComplaints(page);
  await mock.close();
});
