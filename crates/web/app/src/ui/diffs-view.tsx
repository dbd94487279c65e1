import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Attempt, FileDiff } from "../api/types";
import { visible } from "../lib/ansi";
import { countDiff, parseDiff } from "../lib/diff";
import { plural } from "../lib/format";
import { useDiffs } from "../lib/use-diffs";
import { DiffText } from "./diff-text";
import { Icon } from "./icons";
import { Empty, ProblemBox } from "./parts";

/** More files begin folded. */
const OPEN_FILES = 20;

export function DiffsView({ run, attempt, showFiles }: { run: string; attempt: Attempt; showFiles: () => void }): JSX.Element {
  const { value: files, problem, retry } = useDiffs(run, attempt);
  if (!files) return problem ? <ProblemBox problem={problem} retry={retry} /> : <p class="muted pad">Reading the changes…</p>;
  if (files.length === 0) {
    return (
      <Empty title="No change was told">
        <p>What changed in the workspace itself is in Files.</p>
        <button type="button" onClick={showFiles}>
          Show the files
        </button>
      </Empty>
    );
  }
  const sums = files.map(sizes);
  const added = sums.reduce((n, s) => n + s.added, 0);
  const removed = sums.reduce((n, s) => n + s.removed, 0);
  return (
    <div class="diffs scroll" tabIndex={0}>
      <p class="secondary num diffs-sum">
        {plural(files.length, "file")} <span class="r-good">+{added}</span> <span class="r-bad">−{removed}</span>
      </p>
      {files.map((file, i) => (
        <FileSection key={`${file.path} ${i}`} file={file} first={files.length <= OPEN_FILES} />
      ))}
    </div>
  );
}

export function sizes(file: FileDiff): { added: number; removed: number } {
  if (file.added !== undefined && file.removed !== undefined) return { added: file.added, removed: file.removed };
  return countDiff(parseDiff(file.diff ?? ""));
}

function FileSection({ file, first }: { file: FileDiff; first: boolean }): JSX.Element {
  const [open, setOpen] = useState(first);
  const { added, removed } = sizes(file);
  return (
    <section class="file-diff" id={`diff-${file.path}`}>
      <h3>
        <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? "down" : "right"} />
          <bdi class="mono">{visible(file.path)}</bdi>
          <span class="muted">{file.change}</span>
          {added > 0 && <span class="num r-good">+{added}</span>}
          {removed > 0 && <span class="num r-bad">−{removed}</span>}
          {file.cause !== undefined && <span class="muted">by {file.cause}</span>}
        </button>
      </h3>
      {open && (file.diff !== undefined && file.diff !== "" ? <DiffText diff={file.diff} /> : <p class="muted pad">No text to compare: binary, too large, or not recorded.</p>)}
    </section>
  );
}
