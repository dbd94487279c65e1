import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app";
import { asProblem } from "../../api/http";
import { begin, hitFrom, withHits, type Search } from "../../state/search";

const PAGE_HITS = 1000;

export interface LogSearch {
  input: RefObject<HTMLInputElement | null>;
  search: Search | undefined;
  /** Index of the match that is shown, and its line. */
  index: number | undefined;
  at: number | undefined;
  only: boolean;
  regex: boolean;
  setRegex(regex: boolean): void;
  setOnly(only: boolean): void;
  focus(): void;
  run(q: string): void;
  clear(): void;
  move(from: number, forward: boolean): void;
  /** To the nearest line that matches an expression, without beginning a search. */
  jump(expression: string, from: number, forward: boolean): void;
}

/** The search of the server through the whole log: the browser's own would see the drawn lines alone. */
export function useSearch(run: string, attempt: string | undefined, goTo: (n: number) => void): LogSearch {
  const app = useApp();
  const input = useRef<HTMLInputElement>(null);
  const [search, setSearch] = useState<Search>();
  const [index, setIndex] = useState<number>();
  const [only, setOnly] = useState(false);
  const [regex, setRegexState] = useState(false);
  const abort = useRef<AbortController | undefined>(undefined);
  const errors = useRef<number[] | undefined>(undefined);
  useEffect(() => () => abort.current?.abort(), []);

  const begins = (q: string, asRegex: boolean): void => {
    abort.current?.abort();
    setIndex(undefined);
    if (q === "") {
      setSearch(undefined);
      setOnly(false);
      return;
    }
    const controller = new AbortController();
    abort.current = controller;
    void readAll(begin(q, asRegex, q !== q.toLowerCase()), controller.signal);
  };
  const readAll = async (first: Search, signal: AbortSignal): Promise<void> => {
    let now = first;
    let from = 0;
    setSearch(now);
    try {
      while (!now.done) {
        const page = await app.source.search(run, attempt, { q: now.q, from, limit: PAGE_HITS, regex: now.regex, case: now.exact }, signal);
        if (signal.aborted) return;
        const wasEmpty = now.hits.length === 0;
        now = withHits(now, page);
        setSearch(now);
        const hit = now.hits[0];
        if (wasEmpty && hit) {
          setIndex(0);
          goTo(hit.n);
        }
        from = page.next ?? from;
      }
    } catch (error) {
      if (!signal.aborted) {
        const problem = asProblem(error);
        setSearch({ ...now, done: true, problem: problem.detail ?? problem.title });
      }
    }
  };
  return {
    input,
    search,
    index,
    at: index === undefined ? undefined : search?.hits[index]?.n,
    only,
    regex,
    setRegex: (value) => {
      setRegexState(value);
      if (search) begins(search.q, value);
    },
    setOnly: (value) => setOnly(value && search !== undefined),
    focus: () => {
      input.current?.focus();
      input.current?.select();
    },
    run: (q) => begins(q, regex),
    clear: () => {
      abort.current?.abort();
      setSearch(undefined);
      setIndex(undefined);
      setOnly(false);
      if (input.current) input.current.value = "";
    },
    move: (from, forward) => {
      if (!search || search.hits.length === 0) return;
      const next = index === undefined ? hitFrom(search.hits, from, forward) : (index + (forward ? 1 : -1) + search.hits.length) % search.hits.length;
      setIndex(next);
      const hit = search.hits[next];
      if (hit) goTo(hit.n);
    },
    jump: (expression, from, forward) => {
      const go = (lines: number[]): void => {
        const next = forward ? (lines.find((n) => n >= from) ?? lines[0]) : ([...lines].reverse().find((n) => n < from) ?? lines[lines.length - 1]);
        if (next === undefined) app.toast("No line looks like an error");
        else goTo(next);
      };
      if (errors.current) return go(errors.current);
      app.source
        .search(run, attempt, { q: expression, from: 0, limit: PAGE_HITS, regex: true })
        .then((page) => {
          const lines = page.hits.map((hit) => hit.n);
          if (page.next === undefined) errors.current = lines;
          go(lines);
        })
        .catch((error: unknown) => app.toast("The log cannot be searched", asProblem(error).title, true));
    },
  };
}
