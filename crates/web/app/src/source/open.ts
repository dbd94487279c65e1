import { serverSource } from "./server";
import type { Source } from "./source";

/** A server answers this page. */
export function openSource(): Source {
  return serverSource();
}
