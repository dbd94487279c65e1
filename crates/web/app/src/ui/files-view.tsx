import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp } from "../app";
import type { Attempt, Change, Changes, FileDiff, Step } from "../api/types";
import { visible } from "../lib/ansi";
import { causeWords, sumChanges, toldOf } from "../lib/changes";
import { bytes, plural } from "../lib/format";
import { isEnded } from "../lib/states";
import { folders, type Folder } from "../lib/tree";
import { useFiles, type Files } from "../lib/use-changes";
import { useLoaded } from "../lib/use-loaded";
import { DiffText } from "./diff-text";
import { sizes } from "./diffs-view";
import { Icon } from "./icons";
import { Copy, Empty, ProblemBox, Text } from "./parts";

/** So many files are drawn at first. */
const DRAWN = 500;

interface Props {
  run: string;
  step: Step;
  attempt: Attempt;
}

/** A file in the tree, from its comparison or from what the agent told. */
interface Row {
  path: string;
  kind: string;
  added: number;
  removed: number;
  size?: number | undefined;
  cause?: string | undefined;
  untold: boolean;
  /** The text of the diff, or that it can be read. */
  diff: string | boolean;
}

/** Files that an attempt changed, by directory, and the artifacts of its step. */
export function FilesView(props: Props): JSX.Element {
  const { step, attempt } = props;
  const { value, problem, retry } = useFiles(props.run, attempt);
  const [drawn, setDrawn] = useState(DRAWN);
  const rows = useMemo(() => (value ? rowsOf(value, step.agent) : []), [value, step.agent]);
  const shown = rows.slice(0, drawn);
  const by = useMemo(() => new Map(shown.map((row) => [row.path, row])), [rows, drawn]);
  if (!value) return problem ? <ProblemBox problem={problem} retry={retry} /> : <p class="muted pad">Reading the files…</p>;
  const { changes } = value;
  const nothing = rows.length === 0 && step.artifacts.length === 0;
  if (nothing && changes?.complete !== false) {
    return (
      <Empty title={!changes ? "No change was told" : isEnded(attempt.state) ? "No file changed" : "No file changed yet"}>
        <p>{changes ? "The workspace is as it was before this attempt, files that git ignores aside." : "This attempt told of no change, and its step has no artifacts."}</p>
      </Empty>
    );
  }
  return (
    <div class="files scroll" tabIndex={0}>
      {changes && <Notes changes={changes} live={!isEnded(attempt.state)} />}
      {rows.length > 0 && (
        <section>
          <p class="secondary num diffs-sum">
            {changes && changes.changes.length > 0 ? causeWords(rows) : `${plural(rows.length, "file")}, as the agent told`} <Sums {...sumChanges(rows)} />
          </p>
          <FolderView {...props} folder={folders(shown.map((row) => row.path))} by={by} />
          {rows.length > drawn && (
            <button type="button" class="quiet" onClick={() => setDrawn(drawn + DRAWN * 4)}>
              {plural(rows.length - drawn, "more file")}
            </button>
          )}
        </section>
      )}
      {step.artifacts.length > 0 && (
        <section>
          <h3>Artifacts</h3>
          <ul class="artifacts">
            {step.artifacts.map((a) => (
              <li key={a.name + a.path}>
                <b>{a.name}</b> <bdi class="mono">{visible(a.path)}</bdi> {a.sha256 !== undefined && <span class="muted mono">{a.sha256.slice(0, 12)}</span>} <Copy text={a.path} label="Copy path" />
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** Whether this is everything, and whether all of it is the work of this attempt. */
function Notes({ changes, live }: { changes: Changes; live: boolean }): JSX.Element {
  const notes: string[] = [];
  if (!changes.complete && !live) notes.push(`Not complete: ${changes.missed ?? "some changes were missed"}. Other files may have changed as well.`);
  if (changes.shared) notes.push("Another step worked in this workspace at the same time; some of these changes may be its own.");
  return (
    <>
      {live && !changes.complete && <p class="muted diffs-sum">Noticed so far. All files are compared when the attempt ends.</p>}
      {notes.map((text) => (
        <p key={text} class="incomplete" role="note">
          <span class="sign r-warn" aria-hidden="true">
            !
          </span>
          <Text of={text} />
        </p>
      ))}
    </>
  );
}

/** The files that were compared; and as long as that is not everything, those that the agent told of. */
function rowsOf({ changes, told }: Files, agent: boolean): Row[] {
  if (!changes) return fromTold(told);
  const found = fromChanges(changes.changes, told, agent);
  if (changes.complete) return found;
  const isFound = toldOf(changes.changes);
  return found.concat(fromTold(told.filter((file) => !isFound(file.path.replace(/^\.\//, "")) && !found.some((row) => file.path.endsWith(`/${row.path}`)))));
}

function fromChanges(changes: Change[], told: FileDiff[], agent: boolean): Row[] {
  const isTold = toldOf(told);
  return changes.map((c) => ({ path: c.path, kind: c.kind, added: c.added ?? 0, removed: c.removed ?? 0, size: c.bytes ?? undefined, cause: c.cause, untold: agent && !isTold(c.path), diff: c.diff }));
}

function fromTold(told: FileDiff[]): Row[] {
  return told.map((file) => ({ path: file.path, kind: file.change, ...sizes(file), cause: file.cause, untold: false, diff: file.diff ?? false }));
}

function Sums({ added, removed }: { added: number; removed: number }): JSX.Element {
  return (
    <>
      {added > 0 && <span class="num r-good">+{added}</span>} {removed > 0 && <span class="num r-bad">−{removed}</span>}
    </>
  );
}

type Tree = Props & { by: Map<string, Row> };

function FolderView({ folder, ...tree }: Tree & { folder: Folder }): JSX.Element {
  return (
    <ul class="folder">
      {folder.folders.map((f) => (
        <Directory key={f.name} {...tree} folder={f} />
      ))}
      {folder.files.map((path) => {
        const row = tree.by.get(path);
        return row && <FileRow key={path} {...tree} row={row} />;
      })}
    </ul>
  );
}

function Directory({ folder, ...tree }: Tree & { folder: Folder }): JSX.Element {
  const [open, setOpen] = useState(true);
  const files = filesOf(folder);
  return (
    <li>
      <button type="button" class="quiet file-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? "down" : "right"} />
        <bdi class="mono secondary">{visible(folder.name)}/</bdi>
        {!open && (
          <span class="muted num">
            {plural(files.length, "file")} <Sums {...sumChanges(files.flatMap((path) => tree.by.get(path) ?? []))} />
          </span>
        )}
      </button>
      {open && <FolderView {...tree} folder={folder} />}
    </li>
  );
}

function filesOf(folder: Folder): string[] {
  return [...folder.files, ...folder.folders.flatMap(filesOf)];
}

const KINDS: Record<string, readonly [letter: string, role: string]> = {
  added: ["A", "good"],
  created: ["A", "good"],
  modified: ["M", "accent"],
  deleted: ["D", "bad"],
};
const CAUSES: Record<string, string> = { tool: "by a tool", other: "not by a tool" };

function FileRow({ row, run, attempt }: Tree & { row: Row }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [letter, role] = KINDS[row.kind] ?? ["?", "muted"];
  const facts = (
    <>
      <span class={`file-kind mono r-${role}`} title={row.kind} aria-hidden="true">
        {letter}
      </span>
      <bdi class="mono file-name">{visible(row.path.split("/").pop() ?? row.path)}</bdi>
      <span class="sr">{row.kind}</span>
      <span class="num">
        <Sums added={row.added} removed={row.removed} />
      </span>
      {row.diff === false && row.size !== undefined && <span class="muted num">{bytes(row.size)}</span>}
      <span class="grow" />
      {row.untold && (
        <span class="tag" title="The agent reported no change of this file">
          not told
        </span>
      )}
      {row.cause !== undefined && <span class="muted file-cause">{CAUSES[row.cause] ?? row.cause}</span>}
    </>
  );
  if (row.diff === false) {
    return (
      <li class="file-row still" title="No text to compare: binary, too large, or not recorded">
        {facts}
      </li>
    );
  }
  return (
    <li class="file-diff">
      <button type="button" class="quiet file-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        {facts}
      </button>
      {open && (typeof row.diff === "string" ? <DiffText diff={row.diff} /> : <ReadDiff run={run} attempt={attempt} path={row.path} />)}
    </li>
  );
}

function ReadDiff({ run, attempt, path }: { run: string; attempt: Attempt; path: string }): JSX.Element {
  const app = useApp();
  const { value, problem, retry } = useLoaded(() => app.source.changeDiff(run, attempt.id, path), [run, attempt.id, path]);
  if (value !== undefined) return <DiffText diff={value} />;
  return problem ? <ProblemBox problem={problem} retry={retry} /> : <p class="muted pad">Reading the diff…</p>;
}
