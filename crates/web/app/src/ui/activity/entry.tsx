import { createContext, type JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { useApp } from "../../app";
import { asProblem } from "../../api/http";
import type { Item } from "../../api/types";
import type { Source } from "../../source/source";
import { visible } from "../../lib/ansi";
import { bytes, clock, compact, elapsed, money, plural } from "../../lib/format";
import { useStore } from "../../lib/store";
import type { CallItem, Entry, ResultItem } from "../../lib/tree";
import { DiffText } from "../diff-text";
import { Icon } from "../icons";
import { memo } from "../memo";
import { Copy, Since } from "../parts";
import { Markdown } from "./markdown";

/** Longer results are folded after so many lines. */
const FOLD_LINES = 6;

export const FoldContext = createContext<{ run: string; attempt: string; unfold: { all: boolean } | undefined }>({ run: "", attempt: "", unfold: undefined });

function useFold(initial: boolean): [boolean, (open: boolean) => void] {
  const { unfold } = useContext(FoldContext);
  const [open, setOpen] = useState(unfold?.all ?? initial);
  useEffect(() => {
    if (unfold) setOpen(unfold.all);
  }, [unfold]);
  return [open, setOpen];
}

interface EntryProps {
  entry: Entry;
  live: boolean;
}

// An entry is a new object whenever its list is folded again; memo would never match, so its parts are memoised instead.
export function EntryView({ entry, live }: EntryProps): JSX.Element {
  if (entry.type === "call") return <Call call={entry.call} result={entry.result} sub={entry.children} live={live} />;
  if (entry.type === "orphan") {
    return (
      <li class="entry call">
        <ResultText result={entry.result} />
      </li>
    );
  }
  return <ItemView item={entry.item} />;
}

function Call({ call, result, sub, live }: { call: CallItem; result: ResultItem | undefined; sub: Entry[]; live: boolean }): JSX.Element {
  const [open, setOpen] = useFold(false);
  const [subOpen, setSubOpen] = useFold(true);
  const running = result === undefined && live;
  const [sign, role] = result === undefined ? (running ? ["●", "accent"] : ["!", "warn"]) : result.ok ? ["✓", "good"] : ["✗", "bad"];
  return (
    <li class="entry call">
      <button type="button" class="call-line" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class={`sign r-${role}`}>{sign}</span>
        <b>{call.tool}</b>
        <bdi class="call-arg mono cut">{visible(call.argument ?? "")}</bdi>
        <span class="num muted call-time">{running ? <Since from={call.at} /> : result?.durationMs !== undefined ? <Since from={call.at} ms={result.durationMs} /> : result ? <Since from={call.at} to={result.at} /> : "no result"}</span>
      </button>
      {open && (
        <div class="call-open">
          <Input call={call} />
          <p class="muted num small">{clock(call.at)}</p>
        </div>
      )}
      {sub.length > 0 && (
        <div class="sub">
          <button type="button" class="quiet sub-title" aria-expanded={subOpen} onClick={() => setSubOpen(!subOpen)}>
            <Icon name={subOpen ? "down" : "right"} /> sub-agent{call.argument !== undefined && <bdi> {visible(call.argument)}</bdi>} · {plural(sub.length, "entry", "entries")}
          </button>
          {subOpen && (
            <ol class="entries">
              {sub.map((entry) => (
                <EntryView key={entry.key} entry={entry} live={live} />
              ))}
            </ol>
          )}
        </div>
      )}
      {result && <ResultText result={result} />}
    </li>
  );
}

const Input = memo(function Input({ call }: { call: CallItem }): JSX.Element | null {
  const text = typeof call.input === "string" ? call.input : call.input === undefined ? "" : JSON.stringify(call.input, null, 2);
  if (text === "") return null;
  return <Long text={text} item={call} label="input" />;
});

const ResultText = memo(function ResultText({ result }: { result: ResultItem }): JSX.Element | null {
  if ((result.preview ?? "") === "" && result.blob === undefined) return null;
  return (
    <div class={result.ok ? "result" : "result bad"}>
      <Long text={result.preview} item={result} size={result.bytes} label="result" />
    </div>
  );
});

function blobOf(item: Item): string | undefined {
  return "blob" in item ? item.blob : undefined;
}

/** The whole text of an item: of its file in the record, or of the item as the record has it. */
async function readWhole(source: Source, run: string, attempt: string, item: Item): Promise<string> {
  const blob = blobOf(item);
  if (blob !== undefined) return source.blob(run, attempt, blob);
  const page = await source.activity(run, attempt, { after: item.seq - 1, limit: 1 });
  const whole = page.items.find((i) => i.seq === item.seq);
  if (whole?.kind === "toolResult") return whole.preview;
  if (whole?.kind === "toolCall") return typeof whole.input === "string" ? whole.input : JSON.stringify(whole.input, null, 2);
  return whole && "text" in whole ? whole.text : "";
}

/** Text that is folded after a few lines, and that may have its rest in the record. */
function Long({ text, item, size, label }: { text: string; item: Item; size?: number | undefined; label: string }): JSX.Element {
  const app = useApp();
  const { run, attempt } = useContext(FoldContext);
  const [whole, setWhole] = useState<string>();
  const [open, setOpen] = useFold(false);
  const shown = whole ?? text;
  const lines = shown.split("\n");
  const folded = !open && lines.length > FOLD_LINES;
  const read = (): void => {
    readWhole(app.source, run, attempt, item)
      .then((found) => (setWhole(found), setOpen(true)))
      .catch((error: unknown) => app.toast(`The ${label} cannot be read`, asProblem(error).title, true));
  };
  return (
    <div class="long">
      <pre class="code" dir="auto" tabIndex={open && lines.length > 20 ? 0 : undefined}>
        {visible((folded ? lines.slice(0, FOLD_LINES) : lines).join("\n"))}
      </pre>
      <div class="long-tools">
        {lines.length > FOLD_LINES && (
          <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Fold" : `${lines.length - FOLD_LINES} more lines`}
          </button>
        )}
        {(blobOf(item) !== undefined || item.cut) && whole === undefined && (
          <button type="button" class="quiet" onClick={read}>
            Show all{size !== undefined && ` ${bytes(size)}`}
          </button>
        )}
        {(open || whole !== undefined) && <Copy text={shown} />}
      </div>
    </div>
  );
}

const ItemView = memo(function ItemView({ item }: { item: Exclude<Item, CallItem | ResultItem> }): JSX.Element | null {
  switch (item.kind) {
    case "text":
      return (
        <li class="entry text">
          <Markdown text={item.text} />
          {(item.blob !== undefined || item.cut) && <Long text="" item={item} label="text" />}
        </li>
      );
    case "thinking":
      return <Thinking text={item.text} />;
    case "fileChanged":
      return (
        <li class="entry line">
          <span class="sign muted">±</span>
          <span class="secondary">{item.change}</span> <bdi class="mono">{visible(item.path)}</bdi>
          {item.cause !== undefined && <span class="muted"> by {item.cause}</span>}
        </li>
      );
    case "patch":
      return (
        <li class="entry patch">
          <p class="mono">
            <span class="sign muted">±</span> <bdi>{visible(item.path)}</bdi>
          </p>
          <DiffText diff={item.diff} fold />
        </li>
      );
    case "plan":
      return (
        <li class="entry plan">
          <ul>
            {item.items.map((task, i) => (
              <li key={i} class={task.status === "completed" ? "muted" : undefined}>
                <span class={`sign ${task.status === "in_progress" ? "r-accent" : ""}`}>{task.status === "completed" ? "✓" : task.status === "in_progress" ? "●" : "·"}</span> <bdi>{visible(task.text)}</bdi>
              </li>
            ))}
          </ul>
        </li>
      );
    case "usage":
      return (
        <li class="entry line muted num small">
          {compact(item.inputTokens ?? 0)} in · {compact(item.outputTokens ?? 0)} out
          {item.costUsd !== undefined && ` · ${money(item.costUsd)}`}
        </li>
      );
    case "waiting":
      return <Waiting why={item.why} at={item.at} until={item.until} />;
    case "progress":
      return (
        <li class="entry line secondary">
          {item.percent !== undefined && <span class="num">{Math.round(item.percent)} % </span>}
          <bdi>{visible(item.message)}</bdi>
        </li>
      );
    case "session":
      return (
        <li class="entry line muted small">
          session <span class="mono">{item.id}</span>
          {item.model !== undefined && ` · ${item.model}`}
        </li>
      );
    case "gap":
      return (
        <li class="entry line r-warn">
          ! {plural(item.events, "event")} ({bytes(item.bytes)}) are not here{item.recorded ? "; the record has them" : "; they are not in the record either"}
        </li>
      );
    case "other":
      return <li class="entry line muted small">{item.name}</li>;
  }
});

function Thinking({ text }: { text: string }): JSX.Element {
  const [open, setOpen] = useFold(false);
  return (
    <li class="entry thinking muted">
      <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? "down" : "right"} /> thinking <span class="cut">{open ? "" : visible(text.slice(0, 160))}</span>
      </button>
      {open && <Markdown text={text} />}
    </li>
  );
}

function Waiting({ why, at, until }: { why: string; at: number; until?: number | undefined }): JSX.Element {
  const now = useStore(useApp().now, (n) => (until !== undefined && until > n ? Math.floor(n / 1000) * 1000 : 0));
  return (
    <li class="entry line r-attention">
      <span class="sign">◷</span> <bdi>{visible(why)}</bdi>
      <span class="num muted">
        {" "}
        {clock(at)}
        {until !== undefined && ` → ${clock(until)}`}
        {until !== undefined && now > 0 && ` · ${elapsed(until - now)} left`}
      </span>
    </li>
  );
}
