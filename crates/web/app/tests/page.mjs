// What the tests of the page share: a mock server, a browser, and pages that fail when the browser complains.
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { start } from "../mock/server.mjs";
import { openBrowser } from "./browser.mjs";

/** What has not happened by then never will: no test measures a time, and a machine may be busy. */
const HANGS_MS = 60_000;

export function useMock(options = {}) {
  const shared = {};
  before(async () => {
    shared.mock = await start(options);
    shared.browser = await openBrowser();
  });
  after(async () => {
    await shared.browser?.close();
    await shared.mock?.close();
  });
  /** A page at a fragment. What it may not do is checked by `complaints`. */
  shared.open = (hash, more = {}) => openPage(shared.browser, shared.mock.url + hash, more);
  return shared;
}

export async function openPage(browser, url, { width = 1440, height = 900, theme = "light", expected = [], ...context } = {}) {
  const page = await (await browser.newContext({ viewport: { width, height }, colorScheme: theme, ...context })).newPage();
  page.setDefaultTimeout(HANGS_MS);
  page.complaints = [];
  page.sockets = 0;
  const complain = (text) => !expected.some((e) => text.includes(e)) && page.complaints.push(text);
  page.on("console", (m) => m.type() === "error" && complain(m.text()));
  page.on("pageerror", (e) => complain(e.message));
  page.on("dialog", (d) => (complain(`dialog ${d.message()}`), d.dismiss()));
  page.on("websocket", () => (page.sockets += 1));
  page.on("request", (r) => new URL(r.url()).host !== new URL(url).host && complain(`request to another host: ${r.url()}`));
  await page.goto(url);
  return page;
}

export function noComplaints(page) {
  assert.deepEqual(page.complaints, []);
}

/** Waits until the page shows what `check` asks for; the error has what it showed instead. */
export async function until(what, check) {
  const end = Date.now() + HANGS_MS;
  let last;
  for (;;) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${HANGS_MS} ms, last: ${last}`);
    await new Promise((done) => setTimeout(done, 40));
  }
}

/** Waits until the page has read what it shows, and has drawn it. */
export async function settled(page) {
  await page.waitForSelector("h1, h2, .empty, .problem");
  await until("everything read", () => page.evaluate(() => !/\bReading\b|reading…/.test(document.querySelector("main")?.innerText ?? "")));
  await drawn(page);
}

/** Waits until what has changed is drawn: the second frame begins after the first one is painted. */
export const drawn = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));

export const numbers = (page) => page.$$eval(".log-rows .ln", (rows) => rows.map((r) => Number(r.dataset.n)));
export const texts = (page) => page.$$eval(".log-rows .ln:not(.absent) .ln-text", (rows) => rows.map((r) => r.textContent));
/** Rows that the viewport really shows. */
export const shownRows = (page) =>
  page.$eval(".log-scroll", (box) => {
    const { top, bottom } = box.getBoundingClientRect();
    return [...box.querySelectorAll(".ln")].filter((r) => r.getBoundingClientRect().bottom > top + 1 && r.getBoundingClientRect().top < bottom - 1).map((r) => Number(r.dataset.n));
  });
export const words = (page, id) => page.$eval(`[data-testid="${id}"]`, (e) => e.textContent);
