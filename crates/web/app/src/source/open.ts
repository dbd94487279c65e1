import { packedSource, type PackedRecord } from "./packed";
import { serverSource } from "./server";
import type { Source } from "./source";

/** The element that holds a packed record: `<script type="application/json" id="roboppi-record">`. */
const ELEMENT = "roboppi-record";

/** The record in the page if there is one, otherwise the server that has sent the page. */
export function openSource(): Source {
  const text = document.getElementById(ELEMENT)?.textContent;
  if (text) return packedSource(JSON.parse(text) as PackedRecord);
  return serverSource();
}
