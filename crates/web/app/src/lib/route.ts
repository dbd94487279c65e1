/** The place in the app, kept in the fragment of the address so that any server path works. */

export type Tab = "overview" | "log" | "diffs" | "result" | "activity" | "files" | "details";
export const TABS: readonly Tab[] = ["overview", "log", "diffs", "result", "activity", "files", "details"];

export type Page = "runs" | "tools" | "agents" | "metrics" | "history";

export type Route =
  | { page: Page; query: Record<string, string> }
  | { page: "run"; run: string; step?: string; attempt?: string; tab?: Tab; line?: number; /** The log of all steps. */ all?: true };

export function parseRoute(fragment: string): Route {
  const [path = "", search = ""] = fragment.replace(/^#?\/?/, "").split("?");
  const query = Object.fromEntries(new URLSearchParams(search));
  const parts = path.split("/").filter((p) => p !== "").map(decode);
  const [first, run, step, tab] = parts;
  if (first === "runs" && run !== undefined) {
    const route: Route = { page: "run", run };
    if (step !== undefined && step !== "-") route.step = step;
    if (TABS.includes(tab as Tab)) route.tab = tab as Tab;
    if (query["all"] !== undefined) route.all = true;
    if (query["attempt"] !== undefined) route.attempt = query["attempt"];
    const line = Number(query["line"]);
    if (Number.isInteger(line) && line > 0) route.line = line;
    return route;
  }
  if (first === "tools" || first === "agents" || first === "metrics" || first === "history") return { page: first, query };
  return { page: "runs", query };
}

export function formatRoute(route: Route): string {
  const query = new URLSearchParams();
  if (route.page !== "run") {
    for (const [key, value] of Object.entries(route.query)) if (value !== "") query.set(key, value);
    return `#/${route.page}${suffix(query)}`;
  }
  const parts = ["runs", route.run];
  if (route.step !== undefined || route.tab !== undefined) parts.push(route.step ?? "-");
  if (route.tab !== undefined) parts.push(route.tab);
  if (route.attempt !== undefined) query.set("attempt", route.attempt);
  if (route.all) query.set("all", "1");
  if (route.line !== undefined) query.set("line", String(route.line));
  return `#/${parts.map(encodeURIComponent).join("/")}${suffix(query)}`;
}

function suffix(query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
