import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { visible } from "../lib/ansi";
import { parseDiff } from "../lib/diff";
import { memo } from "./memo";

const FOLD_LINES = 12;
const MAX_LINES = 2000;

/** A unified diff, with the numbers of both files and the signs kept, so that colour alone carries nothing. */
export const DiffText = memo(function DiffText({ diff, fold = false }: { diff: string; fold?: boolean }): JSX.Element {
  const lines = useMemo(() => parseDiff(diff), [diff]);
  const [open, setOpen] = useState(!fold);
  const [all, setAll] = useState(false);
  const shown = open ? (all ? lines : lines.slice(0, MAX_LINES)) : lines.slice(0, FOLD_LINES);
  return (
    <div class="diff mono" role="group" aria-label="Diff" tabIndex={0}>
      <div class="diff-in">
        {shown.map((line, i) => (
          <div key={i} class={`dl ${line.kind}`}>
            <span class="dn num">{line.before ?? ""}</span>
            <span class="dn num">{line.after ?? ""}</span>
            <span class="ds">{line.kind === "add" ? "+" : line.kind === "del" ? "−" : " "}</span>
            <span class="dt">{visible(line.text)}</span>
          </div>
        ))}
      </div>
      {!open && lines.length > FOLD_LINES && (
        <button type="button" class="quiet" onClick={() => setOpen(true)}>
          {lines.length - FOLD_LINES} more lines
        </button>
      )}
      {open && lines.length > MAX_LINES && !all && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          {lines.length - MAX_LINES} more lines
        </button>
      )}
    </div>
  );
});
