import type { JSX } from "preact";
import type { Attempt, FileDiff, Step } from "../api/types";
import { visible } from "../lib/ansi";
import { folders, type Folder } from "../lib/tree";
import { useDiffs } from "../lib/use-diffs";
import { sizes } from "./diffs-view";
import { Copy, Empty, ProblemBox } from "./parts";

/** Files that an attempt changed, by directory, and the artifacts of its step. */
export function FilesView({ run, step, attempt }: { run: string; step: Step; attempt: Attempt }): JSX.Element {
  const { value: files, problem, retry } = useDiffs(run, attempt);
  if (!files) return problem ? <ProblemBox problem={problem} retry={retry} /> : <p class="muted pad">Reading the files…</p>;
  const by = new Map(files.map((file) => [file.path, file]));
  if (files.length === 0 && step.artifacts.length === 0) {
    return (
      <Empty title="No files">
        <p>This attempt changed no file, and its step has no artifacts.</p>
      </Empty>
    );
  }
  return (
    <div class="files scroll" tabIndex={0}>
      {files.length > 0 && (
        <section>
          <h3>Changed</h3>
          <FolderView folder={folders([...by.keys()])} by={by} />
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

function FolderView({ folder, by }: { folder: Folder; by: Map<string, FileDiff> }): JSX.Element {
  return (
    <ul class="folder">
      {folder.folders.map((f) => (
        <li key={f.name}>
          <span class="folder-name mono secondary">{visible(f.name)}/</span>
          <FolderView folder={f} by={by} />
        </li>
      ))}
      {folder.files.map((path) => {
        const file = by.get(path);
        const { added, removed } = file ? sizes(file) : { added: 0, removed: 0 };
        return (
          <li key={path} class="file-row">
            <bdi class="mono">{visible(path.split("/").pop() ?? path)}</bdi>
            <span class="muted">{file?.change}</span>
            {added > 0 && <span class="num r-good">+{added}</span>}
            {removed > 0 && <span class="num r-bad">−{removed}</span>}
          </li>
        );
      })}
    </ul>
  );
}
