import { start } from "../mock/server.mjs";
import { until } from "../tests/page.mjs";

const MILLION = "seq -f 'unit-%.0f of the build was compiled, linked and tested without a warning; see the report for more' 1000000";

/** The share `p` of the values is not larger. */
export function quantile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? NaN;
}

/** Counts in the page: frames and long tasks since it was opened. */
function observe() {
  globalThis.__frames = [];
  globalThis.__long = [];
  let last = 0;
  const frame = (at) => {
    if (last > 0) globalThis.__frames.push(at - last);
    last = at;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => list.getEntries().forEach((e) => globalThis.__long.push(e.duration))).observe({ type: "longtask" });
}

/** A context that is logged in, with nothing in its cache. */
async function context({ browser, roboppi, token }) {
  const made = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await made.newPage();
  await page.goto(`${roboppi.url}login?token=${token}`);
  await page.waitForSelector(".rail");
  await page.close();
  return made;
}

async function paints(page) {
  return page.evaluate(() => ({ frames: globalThis.__frames, long: globalThis.__long }));
}

export const FIGURES = {
  /** From the clock when a line is printed to the frame that shows it. */
  latency: async (b) => {
    const seconds = b.quick ? 5 : 40;
    const made = await context(b);
    const page = await made.newPage();
    const run = await b.roboppi.run("latency", { lines: `bash -c 'for i in $(seq ${seconds * 50}); do echo "at \${EPOCHREALTIME/,/.}"; read -rt 0.02 -u 3 3<> <(:); done'` });
    await page.addInitScript(() => {
      globalThis.__latency = [];
      const seen = new Set();
      const look = () => {
        const fresh = [...document.querySelectorAll(".log-rows .ln")].filter((row) => !seen.has(row.dataset.n) && row.textContent.includes("at "));
        for (const row of fresh) seen.add(row.dataset.n);
        const times = fresh.map((row) => Number(/at ([\d.]+)/.exec(row.textContent)?.[1]) * 1000);
        if (times.length > 0) requestAnimationFrame(() => setTimeout(() => globalThis.__latency.push(...times.map((at) => performance.timeOrigin + performance.now() - at)), 0));
      };
      new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
    });
    await page.goto(`${b.roboppi.url}#/runs/${run.handle}/lines/log`);
    await run.child.ended;
    // Lines that were there before the page was open are not live.
    const all = await page.evaluate(() => globalThis.__latency);
    const live = all.slice(-Math.floor(seconds * 40));
    b.row("line printed to painted, 50 a second: p50", quantile(live, 0.5), undefined, "ms", live.length);
    b.row("line printed to painted, 50 a second: p99", quantile(live, 0.99), 100, "ms", live.length);
    await made.close();
  },

  /** From the begin of the navigation to the frame with the last line; and from there to any other place. */
  million: async (b) => {
    const run = await b.roboppi.run("million", { lines: MILLION });
    await run.child.ended;
    const url = `${b.roboppi.url}#/runs/${run.handle}/lines/log`;
    const paintedLast = () => {
      const look = () => {
        const last = [...document.querySelectorAll(".log-rows .ln")].at(-1);
        if (last?.dataset.n === "999999" && last.textContent.includes("unit-1000000")) requestAnimationFrame(() => setTimeout(() => (globalThis.__painted ??= performance.now()), 0));
      };
      new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
    };
    const opened = async (made) => {
      const page = await made.newPage();
      await page.addInitScript(paintedLast);
      await page.goto(url);
      const ms = await until("the last line", () => page.evaluate(() => globalThis.__painted));
      return { page, ms };
    };
    const cold = [];
    for (let i = 0; i < (b.quick ? 2 : 20); i += 1) {
      await b.roboppi.kill();
      await b.roboppi.serve();
      const made = await context(b);
      cold.push((await opened(made).then(async ({ page, ms }) => (await page.close(), ms))));
      await made.close();
    }
    const made = await context(b);
    const address = `${b.roboppi.url}#/runs/${run.handle}/lines/log`;
    const warm = [];
    for (let i = 0; i <= (b.quick ? 3 : 40); i += 1) {
      const page = await made.newPage();
      await page.addInitScript(paintedLast);
      await page.goto(address);
      const ms = await until("the last line", () => page.evaluate(() => globalThis.__painted));
      // The first one fills the cache.
      if (i > 0) warm.push(ms);
      if (i < (b.quick ? 3 : 40)) await page.close();
      else await jumps(b, page);
    }
    b.row("1,000,000 lines open, server just started: p95", quantile(cold, 0.95), 600, "ms", cold.length);
    b.row("1,000,000 lines open again: p95", quantile(warm, 0.95), 300, "ms", warm.length);
    await made.close();
  },

  /** The work of the page for 100 events of an agent: reading, folding, drawing, layout. */
  events: async (b) => {
    const mock = await start();
    const made = await b.browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await made.newPage();
    await page.addInitScript(observe);
    await page.goto(`${mock.url}#/runs/r7/fast/activity`);
    await page.waitForSelector(".entry");
    const session = await made.newCDPSession(page);
    await session.send("Performance.enable");
    const taken = async () => Object.fromEntries((await session.send("Performance.getMetrics")).metrics.map((m) => [m.name, m.value]));
    const total = async () => Number(/of ([\d,]+)/.exec(await page.textContent('[data-testid="activity-total"]'))?.[1].replaceAll(",", ""));
    const before = { at: await taken(), total: await total() };
    await until("events", async () => (await total()) > before.total + (b.quick ? 3000 : 30_000));
    const after = { at: await taken(), total: await total() };
    const events = after.total - before.total;
    b.row("work of the page for 100 events", ((after.at.TaskDuration - before.at.TaskDuration) * 1000 * 100) / events, 16, "ms", events);
    const { frames, long } = await paints(page);
    b.row("time between frames at 1,000 events a second: p99", quantile(frames, 0.99), 50, "ms", frames.length);
    b.row("longest task at 1,000 events a second", Math.max(0, ...long), undefined, "ms", long.length);
    await made.close();
    await mock.close();
  },

  /** An agent that prints 1,000 messages a second, with and without a viewer. */
  agent: async (b) => {
    const seconds = b.quick ? 5 : 60;
    await unaffected(b, "1,000 events a second", () => b.roboppi.steadyAgent(1000, seconds), "activity");
  },

  /** A command that prints 100,000 lines a second, with and without a viewer. */
  lines: async (b) => {
    const tenths = b.quick ? 30 : 200;
    await unaffected(b, "100,000 lines a second", () => b.roboppi.run("flood", { lines: `bash -c 'for i in $(seq ${tenths}); do seq 10000; read -rt 0.1 -u 3 3<> <(:); done'` }), "log");
  },
};

/** A worker alone and with its page open: how long it takes, and how the page draws meanwhile. */
async function unaffected(b, name, begin, tab) {
  const took = async (run) => {
    await run.child.ended;
    const answer = await (await fetch(`${b.roboppi.url}api/v1/runs/${run.handle}`, { headers: { authorization: `Bearer ${b.token}` } })).json();
    return answer.durationMs;
  };
  const alone = await took(await begin());
  const made = await context(b);
  const page = await made.newPage();
  await page.addInitScript(observe);
  const run = await begin();
  await page.goto(`${b.roboppi.url}#/runs/${run.handle}`);
  await page.waitForSelector(".step-row");
  await page.keyboard.press(tab === "log" ? "2" : "6");
  const watched = await took(run);
  const { frames, long } = await paints(page);
  b.row(`${name}: the run with a viewer, added`, Math.max(0, (100 * (watched - alone)) / alone), 5, "%", 1);
  b.row(`${name}: time between frames: p99`, quantile(frames, 0.99), 50, "ms", frames.length);
  b.row(`${name}: longest task of the page`, Math.max(0, ...long), undefined, "ms", long.length);
  await until("its end", async () => (await page.textContent('[data-testid="run-state"]')).includes("succeeded"));
  await made.close();
}

/** From a move of the scroll bar to the frame that shows the lines of the place. */
async function jumps(b, page) {
  const times = [];
  for (let i = 0; i < (b.quick ? 5 : 100); i += 1) {
    const share = (i * 0.618034) % 1;
    times.push(
      await page.$eval(
        ".log-scroll",
        (box, to) =>
          new Promise((done) => {
            const from = performance.now();
            box.scrollTop = (box.scrollHeight - box.clientHeight) * to;
            const wanted = 999_999 * to;
            const look = () => {
              const rows = [...box.querySelectorAll(".ln")];
              const there = rows.length > 0 && Math.abs(Number(rows[0].dataset.n) - wanted) < 120 && rows.every((row) => !row.classList.contains("absent"));
              if (there) setTimeout(() => done(performance.now() - from), 0);
              else requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
          }),
        share,
      ),
    );
  }
  b.row("jump to any place of 1,000,000 lines: p95", quantile(times, 0.95), 100, "ms", times.length);
}
