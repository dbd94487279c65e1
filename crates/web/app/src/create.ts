import type { App, Question, Toast } from "./app";
import type { Session } from "./api/types";
import { formatRoute, parseRoute, type Route } from "./lib/route";
import { createStore } from "./lib/store";
import type { Source } from "./source/source";
import { noRuns } from "./state/runs";

const TOAST_MS = 6000;

export function createApp(source: Source): App {
  const route = createStore<Route>(parseRoute(location.hash));
  window.addEventListener("hashchange", () => route.set(parseRoute(location.hash)));
  const now = createStore(source.at ?? Date.now());
  // In a saved record no time passes.
  if (source.at === undefined) setInterval(() => now.set(Date.now()), 1000);
  const toasts = createStore<Toast[]>([]);
  let nextToast = 1;
  const dismiss = (id: number): void => toasts.update((all) => all.filter((t) => t.id !== id));
  return {
    source,
    session: createStore<Session | undefined>(undefined),
    loggedOut: createStore(false),
    route,
    go: (to, replace = false) => {
      // Not location.hash: with a <base>, a fragment alone would be resolved against that.
      const url = location.pathname + location.search + formatRoute(to);
      if (replace) history.replaceState(null, "", url);
      else history.pushState(null, "", url);
      route.set(to);
    },
    runs: createStore(noRuns),
    now,
    question: createStore<Question | undefined>(undefined),
    toasts,
    toast: (text, detail, bad) => {
      const toast: Toast = { id: nextToast++, text, ...(detail === undefined ? {} : { detail }), ...(bad ? { bad } : {}) };
      toasts.update((all) => [...all.slice(-2), toast]);
      setTimeout(() => dismiss(toast.id), TOAST_MS);
    },
    actions: createStore([]),
  };
}
