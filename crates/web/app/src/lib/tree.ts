import type { Item } from "../api/types";

export type CallItem = Extract<Item, { kind: "toolCall" }>;
export type ResultItem = Extract<Item, { kind: "toolResult" }>;

export type Entry =
  | { type: "item"; key: string; seq: number; item: Exclude<Item, CallItem | ResultItem> }
  | { type: "call"; key: string; seq: number; call: CallItem; result?: ResultItem; children: Entry[] }
  | { type: "orphan"; key: string; seq: number; result: ResultItem };

/** Tool calls with their results, and the work of sub-agents below the call that started them. Items are in the order of `seq`. */
export function activityTree(items: Item[]): Entry[] {
  const roots: Entry[] = [];
  const calls = new Map<string, Extract<Entry, { type: "call" }>>();
  const last = items[items.length - 1];
  for (const item of items) {
    // Usage is a running sum: only the latest is worth a line.
    if (item.kind === "usage" && item !== last) continue;
    const list = (item.parent !== undefined ? calls.get(item.parent)?.children : undefined) ?? roots;
    if (item.kind === "toolCall") {
      const entry: Extract<Entry, { type: "call" }> = { type: "call", key: `c${item.seq}`, seq: item.seq, call: item, children: [] };
      calls.set(item.id, entry);
      list.push(entry);
    } else if (item.kind === "toolResult") {
      const call = calls.get(item.id);
      if (call) call.result = item;
      else list.push({ type: "orphan", key: `r${item.seq}`, seq: item.seq, result: item });
    } else list.push({ type: "item", key: `i${item.seq}`, seq: item.seq, item });
  }
  return roots;
}

export interface Folder {
  name: string;
  folders: Folder[];
  files: string[];
}

/** Paths by directory; a directory that holds one directory alone is joined with it. */
export function folders(paths: string[]): Folder {
  const root: Folder = { name: "", folders: [], files: [] };
  for (const path of [...paths].sort()) {
    const parts = path.split("/");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      let next = at.folders.find((f) => f.name === part);
      if (!next) {
        next = { name: part, folders: [], files: [] };
        at.folders.push(next);
      }
      at = next;
    }
    at.files.push(path);
  }
  const join = (folder: Folder): Folder => {
    const only = folder.folders[0];
    if (folder.name !== "" && folder.files.length === 0 && folder.folders.length === 1 && only)
      return join({ ...only, name: `${folder.name}/${only.name}` });
    return { ...folder, folders: folder.folders.map(join) };
  };
  return join(root);
}
