import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../../app";
import { asProblem } from "../../api/http";
import type { Attempt, Item, Problem, Step } from "../../api/types";
import { count, plural } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { isEnded } from "../../lib/states";
import { activityTree } from "../../lib/tree";
import { drawn, extend, noActivity, withFresh, withPage, type ActivityState, type Range } from "../../state/activity";
import type { Fresh } from "../../state/run";
import { Pill } from "../log/pill";
import { Empty, ProblemBox } from "../parts";
import { EntryView, FoldContext } from "./entry";
import { Markdown } from "./markdown";

const PAGE = 200;
/** So many entries are drawn while the end is followed. */
const DRAWN = 150;

interface Props {
  run: string;
  step: Step;
  attempt: Attempt;
  fresh: Fresh | undefined;
  delta: string | undefined;
}

/** Messages and tool calls of an agent, as a conversation to skim. */
export function ActivityView({ run, step, attempt, fresh, delta }: Props): JSX.Element {
  const app = useApp();
  const [state, setState] = useState<ActivityState>(noActivity);
  const [problem, setProblem] = useState<Problem>();
  const [range, setRange] = useState<Range>();
  const [seen, setSeen] = useState(0);
  const [tool, setTool] = useState("");
  const [unfold, setUnfold] = useState<{ all: boolean } | undefined>();
  const loading = useRef(false);
  const scroller = useRef<HTMLDivElement>(null);
  const latest = useRef(fresh);
  latest.current = fresh;
  const live = !isEnded(attempt.state);

  const read = (before?: number): void => {
    if (loading.current) return;
    loading.current = true;
    const received = latest.current?.received ?? 0;
    app.source
      .activity(run, attempt.id, before === undefined ? { limit: PAGE } : { before, limit: PAGE })
      .then((page) => {
        setState((s) => withPage(s, page, before !== undefined, received));
        if (before !== undefined) setRange((r) => r && { ...r, from: Math.min(r.from, page.items[0]?.seq ?? r.from) });
        setProblem(undefined);
      })
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => (loading.current = false));
  };
  useEffect(() => read(), []);
  useEffect(() => {
    if (fresh) setState((s) => withFresh(s, fresh, range !== undefined));
  }, [fresh]);
  useEffect(() => {
    if (state.behind && range === undefined) read();
  }, [state.behind, range]);

  const entries = useMemo(() => activityTree(tool === "" ? state.items : byTool(state.items, tool)), [state.items, tool]);
  const tools = useMemo(() => [...new Set(state.items.flatMap((i) => (i.kind === "toolCall" ? [i.tool] : [])))].sort(), [state.items]);
  const visible = useMemo(() => drawn(entries, range, DRAWN), [entries, range]);
  const hidden = visible[0] !== entries[0];

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && range === undefined) element.scrollTop = element.scrollHeight;
  });
  const hold = (): Range | undefined => {
    const [first, last] = [visible[0], visible[visible.length - 1]];
    if (!first || !last) return undefined;
    const held = range ?? { from: first.seq, to: last.seq };
    if (range === undefined) {
      setSeen(state.total);
      setRange(held);
    }
    return held;
  };
  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    const end = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    if (!end) {
      hold();
      if (element.scrollTop < 300) earlier();
    } else if (range) {
      // The end of what is drawn: more of it, or the end of everything.
      const next = extend(entries, range, DRAWN);
      setRange(next.to === range.to ? undefined : next);
    }
  };
  const earlier = (): void => {
    const held = hold();
    if (!held) return;
    // At 0 browsers do not keep the place when something is added above it.
    if (scroller.current && scroller.current.scrollTop < 1) scroller.current.scrollTop = 1;
    if (hidden) setRange(extend(entries, held, -DRAWN));
    else if (state.more && state.items[0]) read(state.items[0].seq);
  };
  const resume = (): void => setRange(undefined);
  const paused = range === undefined ? "no" : "scroll";
  const by = (px: number): void => scroller.current?.scrollBy({ top: px });
  useKeys(2, {
    G: resume,
    End: resume,
    g: () => scroller.current?.scrollTo({ top: 0 }),
    Home: () => scroller.current?.scrollTo({ top: 0 }),
    PageUp: () => by(-(scroller.current?.clientHeight ?? 0) * 0.9),
    PageDown: () => by((scroller.current?.clientHeight ?? 0) * 0.9),
    "ctrl+u": () => by(-(scroller.current?.clientHeight ?? 0) / 2),
    "ctrl+d": () => by((scroller.current?.clientHeight ?? 0) / 2),
    ">": () => moveEntry(scroller.current, 1),
    "<": () => moveEntry(scroller.current, -1),
    z: () => setUnfold({ all: !(unfold?.all ?? false) }),
  });

  return (
    <div class="activity">
      <div class="activity-tools">
        {tools.length > 1 && (
          <select aria-label="Tool" value={tool} onChange={(e) => setTool(e.currentTarget.value)}>
            <option value="">all tools</option>
            {tools.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
        <button type="button" class="quiet" title="Unfold or fold everything (z)" onClick={() => setUnfold({ all: !(unfold?.all ?? false) })}>
          {unfold?.all ? "Fold all" : "Unfold all"}
        </button>
        <span class="grow" />
        <span class="muted num" data-testid="activity-total">
          {(state.loaded || state.items.length > 0) && `${count(state.items.length)} of ${plural(Math.max(state.total, state.items.length), "entry", "entries")}`}
        </span>
      </div>
      <div class="activity-scroll" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label={`Activity of ${step.name}`}>
        <FoldContext.Provider value={{ run, attempt: attempt.id, unfold }}>
          <ol class="entries">
            {(hidden || state.more) && (
              <li class="earlier">
                <button type="button" class="quiet" onClick={earlier}>
                  Earlier activity
                </button>
              </li>
            )}
            {visible.map((entry) => (
              <EntryView key={entry.key} entry={entry} live={live} />
            ))}
            {live && delta !== undefined && delta !== "" && (
              <li class="entry text">
                <Markdown text={delta} />
              </li>
            )}
          </ol>
        </FoldContext.Provider>
        {state.loaded && state.items.length === 0 && <Empty title={live ? "No activity yet" : "It reported nothing"}>{!step.agent && <p>This step is a command; its output is in the log.</p>}</Empty>}
        {!state.loaded && state.items.length === 0 && !problem && <p class="muted pad">Reading the activity…</p>}
        {problem && <ProblemBox problem={problem} retry={() => read()} />}
      </div>
      <Pill live={live} paused={paused} fresh={Math.max(0, state.total - seen)} resume={resume} unit={["entry", "entries"]} />
    </div>
  );
}

/** Calls of one tool with their results. */
function byTool(items: Item[], tool: string): Item[] {
  const ids = new Set(items.flatMap((i) => (i.kind === "toolCall" && i.tool === tool ? [i.id] : [])));
  return items
    .filter((i) => (i.kind === "toolCall" && i.tool === tool) || (i.kind === "toolResult" && ids.has(i.id)))
    .map(({ parent: _parent, ...item }) => item as Item);
}

function moveEntry(scroller: HTMLElement | null, by: number): void {
  const all = [...(scroller?.querySelectorAll<HTMLElement>(".call > .call-line") ?? [])];
  const at = all.findIndex((e) => e === document.activeElement);
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? all.length - 1 : at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
