import { useEffect, useReducer, useRef } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  update(change: (value: T) => T): void;
  subscribe(listener: () => void): () => void;
}

/** A value with listeners, which are called at most once per frame. */
export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  let scheduled = false;
  const notify = (): void => {
    scheduled = false;
    for (const listener of [...listeners]) listener();
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    // Hidden pages get no frames; a timer keeps them current.
    if (typeof document === "undefined" || document.hidden) setTimeout(notify, 100);
    else requestAnimationFrame(notify);
  };
  return {
    get: () => value,
    set: (next) => {
      if (next === value) return;
      value = next;
      schedule();
    },
    update(change) {
      this.set(change(value));
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The part of a store that a component shows; it is drawn again only when that part is another one. */
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S {
  const [, redraw] = useReducer<number, void>((n) => n + 1, 0);
  const selected = select(store.get());
  const latest = useRef({ selected, select });
  latest.current = { selected, select };
  useEffect(() => {
    const check = (): void => {
      const next = latest.current.select(store.get());
      if (!Object.is(next, latest.current.selected)) redraw(undefined);
    };
    check();
    return store.subscribe(check);
  }, [store]);
  return selected;
}

export function useValue<T>(store: Store<T>): T {
  return useStore(store, (value) => value);
}
