import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "./api/types";
import type { Source } from "./source/source";
import type { RunsState } from "./state/runs";
import type { Route } from "./lib/route";
import type { Store } from "./lib/store";

export interface Action {
  /** What the palette shows. */
  title: string;
  hint?: string;
  key?: string;
  /** Ends something: never the first that is offered. */
  ends?: boolean;
  run: () => void;
}

export interface Question {
  title: string;
  text: string;
  yes: string;
  danger?: boolean;
  then: () => void;
}

export interface Toast {
  id: number;
  text: string;
  detail?: string;
  bad?: boolean;
}

/** What every component may use. */
export interface App {
  source: Source;
  session: Store<Session | undefined>;
  loggedOut: Store<boolean>;
  route: Store<Route>;
  go: (route: Route, replace?: boolean) => void;
  runs: Store<RunsState>;
  now: Store<number>;
  question: Store<Question | undefined>;
  toasts: Store<Toast[]>;
  toast: (text: string, detail?: string, bad?: boolean) => void;
  /** Actions of the page that is shown, for the palette. */
  actions: Store<Action[]>;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("outside of the app");
  return app;
}
