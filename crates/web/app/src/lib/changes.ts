import { plural } from "./format";

export interface ChangeSums {
  files: number;
  added: number;
  removed: number;
}

/** Whether an agent has told of a change. It names a file by its absolute path, or by one below its directory. */
export function toldOf(told: readonly { path: string }[]): (path: string) => boolean {
  const exact = new Set(told.map((file) => file.path.replace(/^\.\//, "")));
  const absolute = told.flatMap((file) => (file.path.startsWith("/") ? [file.path] : []));
  return (path) => exact.has(path) || absolute.some((other) => other.endsWith(`/${path}`));
}

export function sumChanges(changes: readonly { added?: number | null; removed?: number | null }[]): ChangeSums {
  return changes.reduce<ChangeSums>((sum, c) => ({ files: sum.files + 1, added: sum.added + (c.added ?? 0), removed: sum.removed + (c.removed ?? 0) }), { files: 0, added: 0, removed: 0 });
}

/** `5 files: 3 by tools, 2 in other ways`. */
export function causeWords(changes: readonly { cause?: string | undefined }[]): string {
  const tools = changes.filter((c) => c.cause === "tool").length;
  const others = changes.length - tools;
  const files = plural(changes.length, "file");
  if (changes.length === 0) return files;
  if (others === 0) return `${files}, ${tools === 1 ? "" : "all "}by tools`;
  if (tools === 0) return `${files}, ${others === 1 ? "not" : "none"} by a tool`;
  return `${files}: ${tools} by tools, ${others} in other ways`;
}
