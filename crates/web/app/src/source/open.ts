import { formatRoute } from "../lib/route";
import { packedSource, type PackedRecord } from "./packed";
import { serverSource } from "./server";
import type { Source } from "./source";

/** The element that holds a packed record: `<script type="application/json" id="roboppi-record">`. */
const ELEMENT = "roboppi-record";

/** The record in the page if there is one, otherwise the server that has sent the page. */
export function openSource(): Source {
  const text = document.getElementById(ELEMENT)?.textContent;
  if (text) {
    const record = JSON.parse(text) as PackedRecord;
    const run = record.runs[0];
    // A file with one run opens with it.
    if (run && record.runs.length === 1 && location.hash.length < 2) history.replaceState(null, "", `${location.pathname}${location.search}${formatRoute({ page: "run", run: run.handle ?? run.id })}`);
    return packedSource(record);
  }
  return serverSource();
}
