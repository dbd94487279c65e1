import type { RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { afterScroll, atEnd, clampTop, maxTop, scrollHeight, scrollOf, visibleRows, type Extent } from "./virtual";

const SETTLE_MS = 160;

export interface Virtual {
  ref: RefObject<HTMLDivElement | null>;
  top: number;
  viewport: number;
  height: number;
  from: number;
  to: number;
  atEnd: boolean;
  /** Moves the list without the user. */
  setTop(top: number): void;
  toEnd(): void;
  /** Scrolls only as far as needed to show a row. */
  reveal(row: number, centre?: boolean): void;
  onScroll(): void;
}

/** A scrolling element that draws only its visible rows. `onUser` is called when the user has scrolled, with the direction. */
export function useVirtual(rows: number, rowHeight: number, overscan = 4, onUser?: (up: boolean, end: boolean) => void): Virtual {
  const ref = useRef<HTMLDivElement>(null);
  const [viewport, setViewport] = useState(600);
  const [top, drawTop] = useState(0);
  const at = useRef({ top: 0, scroll: 0 });
  const settle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const extent: Extent = { rows, rowHeight, viewport };
  const latest = useRef({ extent, onUser });
  latest.current = { extent, onUser };

  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = (): void => setViewport(Math.max(1, element.clientHeight));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => () => clearTimeout(settle.current), []);

  const place = useCallback((next: number): void => {
    const element = ref.current;
    const clamped = clampTop(latest.current.extent, next);
    at.current.top = clamped;
    if (element) {
      element.scrollTop = scrollOf(latest.current.extent, clamped);
      at.current.scroll = element.scrollTop;
    }
    drawTop(clamped);
  }, []);

  const onScroll = useCallback((): void => {
    const element = ref.current;
    if (!element) return;
    const after = element.scrollTop;
    const before = at.current.scroll;
    if (Math.abs(after - before) < 0.6) return;
    const was = at.current.top;
    const next = afterScroll(latest.current.extent, was, before, after);
    at.current = { top: next, scroll: after };
    drawTop(next);
    latest.current.onUser?.(next < was, atEnd(latest.current.extent, next));
    clearTimeout(settle.current);
    settle.current = setTimeout(() => {
      // A move whose event is still to come must not be taken back.
      if (Math.abs(element.scrollTop - at.current.scroll) >= 0.6) return;
      const right = scrollOf(latest.current.extent, at.current.top);
      if (Math.abs(right - element.scrollTop) > 1) {
        element.scrollTop = right;
        at.current.scroll = element.scrollTop;
      }
    }, SETTLE_MS);
  }, []);

  const reveal = useCallback((row: number, centre = false): void => {
    const { extent: now } = latest.current;
    const y = row * now.rowHeight;
    if (centre) place(y - now.viewport / 2 + now.rowHeight / 2);
    else if (y < at.current.top) place(y);
    else if (y + now.rowHeight > at.current.top + now.viewport) place(y + now.rowHeight - now.viewport);
  }, [place]);

  const toEnd = useCallback(() => place(maxTop(latest.current.extent)), [place]);
  const shown = clampTop(extent, top);
  const { from, to } = visibleRows(extent, shown, overscan);
  return { ref, top: shown, viewport, height: scrollHeight(extent), from, to, atEnd: atEnd(extent, shown), setTop: place, toEnd, reveal, onScroll };
}
