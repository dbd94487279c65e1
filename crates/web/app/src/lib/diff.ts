export interface DiffLine {
  kind: "add" | "del" | "same" | "hunk" | "note";
  text: string;
  before?: number;
  after?: number;
}

/** Lines of a unified diff with their numbers in the old and the new file. */
export function parseDiff(diff: string): DiffLine[] {
  const out: DiffLine[] = [];
  let before = 0;
  let after = 0;
  let inHunk = false;
  for (const line of diff.replace(/\n$/, "").split("\n")) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/.exec(line);
    if (hunk) {
      before = Number(hunk[1]);
      after = Number(hunk[2]);
      inHunk = true;
      out.push({ kind: "hunk", text: `lines ${before} → ${after}${hunk[3] ? `  ${hunk[3]}` : ""}` });
    } else if (!inHunk) {
      if (!/^(diff |index |--- |\+\+\+ |old mode|new mode|similarity)/.test(line) && line !== "") out.push({ kind: "note", text: line });
    } else if (line.startsWith("+")) out.push({ kind: "add", text: line.slice(1), after: after++ });
    else if (line.startsWith("-")) out.push({ kind: "del", text: line.slice(1), before: before++ });
    else if (line.startsWith("\\")) out.push({ kind: "note", text: line.slice(2) });
    else if (line.startsWith("diff ")) inHunk = false;
    else out.push({ kind: "same", text: line.slice(1), before: before++, after: after++ });
  }
  return out;
}

export function countDiff(lines: DiffLine[]): { added: number; removed: number } {
  let added = 0;
  let removed = 0;
  for (const line of lines) {
    if (line.kind === "add") added += 1;
    else if (line.kind === "del") removed += 1;
  }
  return { added, removed };
}
