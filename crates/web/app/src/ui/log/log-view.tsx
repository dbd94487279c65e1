import type { JSX } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../../app";
import type { Attempt, Line, Step } from "../../api/types";
import { stripAnsi } from "../../lib/ansi";
import { formatRoute } from "../../lib/route";
import { isEnded } from "../../lib/states";
import { useValue } from "../../lib/store";
import { recall, remember } from "../../lib/theme";
import { useKeys } from "../../lib/keys";
import { useVirtual } from "../../lib/use-virtual";
import { completeness, lineAt } from "../../state/log";
import { LogReader } from "../../state/log-reader";
import { copyText, Empty, ProblemBox } from "../parts";
import { LogLine, type Look } from "./line";
import { LogTools } from "./log-tools";
import { Minimap } from "./minimap";
import { Pill } from "./pill";
import { useSearch } from "./use-search";
import { WholeLine } from "./whole-line";

const ROW = 18;
const ERROR_LINE = String.raw`\b(error|errors|failed|failure|panicked|fatal|exception|traceback)\b`;

interface Props {
  run: string;
  step: Step;
  attempt: Attempt;
  line: number | undefined;
  /** The logs of all steps on one page, and whether all of them have ended. */
  all: boolean;
  ended: boolean;
}

/** The log of an attempt, or of all steps together: every line of the record, drawn as far as it is visible. */
export function LogView({ run, step, attempt, line, all, ended }: Props): JSX.Element {
  const app = useApp();
  const [wrap, setWrap] = useState(() => (recall("roboppi.wrap") ?? (window.innerWidth < 640 ? "1" : "0")) === "1");
  const [times, setTimes] = useState(false);
  const [shown, setShown] = useState(true);
  const [mark, setMark] = useState<number | undefined>(line === undefined ? undefined : line - 1);
  const [whole, setWhole] = useState<Line>();
  const [paused, setPaused] = useState<"no" | "scroll" | "hover">(line === undefined ? "no" : "scroll");
  const [seen, setSeen] = useState(0);
  const box = useRef<HTMLDivElement>(null);

  const reader = useMemo(() => new LogReader(app.source, run, all ? undefined : attempt.id), [run, all ? "" : attempt.id]);
  useEffect(() => {
    reader.open();
    return () => reader.close();
  }, [reader]);
  const state = useValue(reader.state);
  const problem = useValue(reader.problem);
  const live = !(all ? ended : isEnded(attempt.state)) && !state.complete;
  const connected = !["reconnecting", "offline", "loggedOut"].includes(useValue(app.source.connection).state);
  const of = all ? undefined : attempt.id;

  const pause = (why: "scroll" | "hover"): void => {
    setPaused((before) => (before === "scroll" ? before : why));
    if (paused === "no") setSeen(state.total);
  };
  const virtual = useVirtual(state.total, ROW, 6, (up, end) => {
    if (end && !up) setPaused("no");
    else if (up) pause("scroll");
  });
  const resume = (): void => {
    setPaused("no");
    virtual.toEnd();
  };

  useLayoutEffect(() => {
    if (paused === "no") virtual.toEnd();
  }, [state.total, virtual.viewport, paused, wrap]);
  useEffect(() => {
    if (state.loaded && mark !== undefined) virtual.reveal(mark, true);
  }, [state.loaded, reader]);
  const [from, to] = wrap && virtual.atEnd ? [Math.max(0, state.total - Math.ceil(virtual.viewport / ROW) - 2), state.total] : [virtual.from, virtual.to];
  useEffect(() => {
    if (state.loaded && shown) reader.need(from, to);
  }, [from, to, state.loaded, shown, reader]);

  const goTo = (n: number): void => {
    pause("scroll");
    setMark(n);
    virtual.reveal(n, true);
  };
  const firstRow = Math.floor(virtual.top / ROW);
  const search = useSearch(run, of, goTo);
  const nearby = mark !== undefined && mark >= firstRow - 50 && mark <= firstRow + 200 ? mark : firstRow;

  const onMark = useCallback((n: number): void => {
    setMark(n);
    setPaused("scroll");
    const route = app.route.get();
    if (route.page === "run") app.go({ ...route, step: step.path, tab: "log", line: n + 1 }, true);
  }, []);
  const setAll = (to: boolean): void => app.go({ page: "run", run, step: step.path, tab: "log", ...(to ? { all: true } : {}) }, true);
  const href = (n: number): string => formatRoute({ page: "run", run, step: step.path, tab: "log", ...(all ? { all: true } : { attempt: attempt.id }), line: n + 1 });
  const onStep = useCallback((path: string): void => app.go({ page: "run", run, step: path, tab: "log" }), [run]);
  const text = (): string => {
    const lines: string[] = [];
    for (let n = from; n < to; n += 1) {
      const found = lineAt(state, n);
      if (found) lines.push(stripAnsi(found.text));
    }
    return lines.join("\n");
  };
  const toggleWrap = (): void => {
    setWrap(!wrap);
    remember("roboppi.wrap", wrap ? "0" : "1");
  };
  const page = virtual.viewport - ROW * 2;
  const scrollBy = (px: number): void => {
    if (px < 0) pause("scroll");
    virtual.setTop(virtual.top + px);
  };
  const jumpError = (forward: boolean): void => search.jump(ERROR_LINE, forward ? nearby + 1 : nearby, forward);
  useKeys(2, {
    "/": () => search.focus(),
    "ctrl+f": () => search.focus(),
    n: () => (search.search ? search.move(nearby, true) : false),
    N: () => (search.search ? search.move(nearby, false) : false),
    "&": () => search.setOnly(!search.only),
    e: () => jumpError(true),
    E: () => jumpError(false),
    w: toggleWrap,
    t: () => setTimes(!times),
    a: () => setAll(!all),
    y: () => void copyText(window.getSelection()?.toString() || text()).then(() => app.toast("Copied")),
    G: resume,
    End: resume,
    g: () => (pause("scroll"), virtual.setTop(0)),
    Home: () => (pause("scroll"), virtual.setTop(0)),
    PageUp: () => scrollBy(-page),
    PageDown: () => scrollBy(page),
    "ctrl+u": () => scrollBy(-page / 2),
    "ctrl+d": () => scrollBy(page / 2),
    Escape: () => {
      if (search.search || search.only) search.clear();
      else if (mark !== undefined) setMark(undefined);
      else return false;
      return undefined;
    },
  });

  const look: Look = useMemo(() => ({ times, steps: all, q: search.search?.q ?? "", regex: search.search?.regex ?? false, exact: search.search?.exact ?? false }), [times, all, search.search?.q, search.search?.regex, search.search?.exact]);
  const rows: JSX.Element[] = [];
  for (let n = from; n < to; n += 1) rows.push(<LogLine key={n} n={n} line={lineAt(state, n)} look={look} head={all && (n === firstRow || lineAt(state, n - 1)?.step !== lineAt(state, n)?.step)} onStep={onStep} marked={n === mark} current={search.at === n} href={href(n)} onMark={onMark} onWhole={setWhole} />);
  const digits = String(Math.max(100, state.total)).length;

  return (
    <div class="log" ref={box}>
      <LogTools
        search={search}
        all={all}
        setAll={setAll}
        wrap={wrap}
        toggleWrap={toggleWrap}
        times={times}
        toggleTimes={() => setTimes(!times)}
        shown={shown}
        toggleShown={() => setShown(!shown)}
        copy={text}
        download={(format) => app.source.downloadUrl(run, of, format)}
        move={(forward) => search.move(nearby, forward)}
      />
      {shown && (
        <div class="log-body">
          <div
            ref={virtual.ref}
            class={wrap ? "log-scroll wrap" : "log-scroll"}
            onScroll={virtual.onScroll}
            onPointerMove={(e) => e.pointerType === "mouse" && live && paused === "no" && pause("hover")}
            onPointerLeave={() => paused === "hover" && setPaused("no")}
            tabIndex={0}
            role="region"
            aria-label={`Log of ${all ? "all steps" : step.name}`}
            data-total={state.total}
          >
            <div class="log-range" style={{ height: `${virtual.height}px`, "--digits": String(digits) }}>
              <Layer top={virtual.top} from={from} wrap={wrap} end={virtual.atEnd} viewport={virtual.viewport}>
                {rows}
              </Layer>
            </div>
          </div>
          <Minimap state={state} hits={search.search?.hits} top={firstRow} rows={Math.ceil(virtual.viewport / ROW)} go={(n) => (pause("scroll"), virtual.reveal(n, true))} />
          {search.only && search.search && <OnlyHits search={search.search} look={{ ...look, steps: false }} href={href} go={(n) => (search.setOnly(false), goTo(n))} />}
          {state.loaded && state.total === 0 && <Empty title={live ? "No output yet" : "It wrote no output"}>{live && <p>Lines appear here as they are written.</p>}</Empty>}
          {!state.loaded && problem && <ProblemBox problem={problem} />}
          {state.total > 0 && <Pill live={live} paused={paused} fresh={Math.max(0, state.total - seen)} resume={resume} />}
        </div>
      )}
      <footer class="log-foot">
        <span class="num" data-testid="completeness">
          {completeness(state, live, connected)}
        </span>
        {problem && state.loaded && <span class="r-warn">{problem.title}; what is loaded stays</span>}
        {mark !== undefined && <span class="muted num">line {(mark + 1).toLocaleString("en-US")}</span>}
      </footer>
      {whole && <WholeLine run={run} attempt={of} line={whole} close={() => setWhole(undefined)} />}
    </div>
  );
}

/** The visible rows, at their place in the viewport. Wrapped rows have their own heights: the first one is measured. */
function Layer({ top, from, wrap, end, viewport, children }: { top: number; from: number; wrap: boolean; end: boolean; viewport: number; children: JSX.Element[] }): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const inner = ref.current;
    if (!inner) return;
    let y = from * ROW - top;
    if (wrap && end) y = viewport - inner.offsetHeight;
    else if (wrap) {
      const first = Math.floor(top / ROW) - from;
      const row = inner.children[first];
      y = row instanceof HTMLElement ? -row.offsetTop - (((top % ROW) / ROW) * row.offsetHeight) : y;
    }
    inner.style.transform = `translateY(${wrap && end ? Math.min(0, y) : y}px)`;
  });
  return (
    <div class="log-layer" style={{ height: `${viewport}px` }}>
      <div class="log-rows" ref={ref}>
        {children}
      </div>
    </div>
  );
}

function OnlyHits({ search, look, href, go }: { search: { hits: { n: number; text: string }[] }; look: Look; href: (n: number) => string; go: (n: number) => void }): JSX.Element {
  const virtual = useVirtual(search.hits.length, ROW);
  return (
    <div class="log-only">
      <div ref={virtual.ref} class="log-scroll" onScroll={virtual.onScroll} tabIndex={0} role="region" aria-label="Matching lines">
        <div class="log-range" style={{ height: `${virtual.height}px`, "--digits": String(String(search.hits[search.hits.length - 1]?.n ?? 100).length) }}>
          <Layer top={virtual.top} from={virtual.from} wrap={false} end={false} viewport={virtual.viewport}>
            {search.hits.slice(virtual.from, virtual.to).map((hit) => (
              <LogLine key={hit.n} n={hit.n} line={{ n: hit.n, stream: "out", text: hit.text }} look={look} marked={false} current={false} href={href(hit.n)} onMark={go} onWhole={() => go(hit.n)} />
            ))}
          </Layer>
        </div>
      </div>
    </div>
  );
}
