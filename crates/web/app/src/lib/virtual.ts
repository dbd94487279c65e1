/**
 * The arithmetic of a long list of rows with one height. A browser cannot make an element higher than about 17 million pixels, so a
 * longer list gets a shorter scroll range: `top` is the true position in pixels of the list, `scroll` the position of the scroll bar.
 */

export const MAX_HEIGHT = 8_000_000;

export interface Extent {
  rows: number;
  rowHeight: number;
  viewport: number;
}

export function fullHeight(extent: Extent): number {
  return extent.rows * extent.rowHeight;
}

export function scrollHeight(extent: Extent): number {
  return Math.min(fullHeight(extent), MAX_HEIGHT);
}

export function maxTop(extent: Extent): number {
  return Math.max(0, fullHeight(extent) - extent.viewport);
}

function maxScroll(extent: Extent): number {
  return Math.max(0, scrollHeight(extent) - extent.viewport);
}

export function clampTop(extent: Extent, top: number): number {
  return Math.min(Math.max(0, top), maxTop(extent));
}

export function scrollOf(extent: Extent, top: number): number {
  const most = maxTop(extent);
  if (most === 0) return 0;
  return (clampTop(extent, top) / most) * maxScroll(extent);
}

export function topOf(extent: Extent, scroll: number): number {
  const most = maxScroll(extent);
  if (most === 0) return 0;
  return (Math.min(Math.max(0, scroll), most) / most) * maxTop(extent);
}

/**
 * The true position after the scroll bar moved from `before` to `after`. In a shortened range a small move (wheel, arrow keys, touch)
 * moves the list by the same pixels, a large one (dragging the bar, Home, End) by its share. After small moves the bar is to be set
 * again by `scrollOf`, once nothing moves.
 */
export function afterScroll(extent: Extent, top: number, before: number, after: number): number {
  if (fullHeight(extent) <= MAX_HEIGHT) return clampTop(extent, after);
  const move = after - before;
  if (Math.abs(move) > extent.viewport) return topOf(extent, after);
  return clampTop(extent, top + move);
}

/** First row, and the row after the last one, that the viewport shows. */
export function visibleRows(extent: Extent, top: number, overscan: number): { from: number; to: number } {
  const first = Math.floor(clampTop(extent, top) / extent.rowHeight);
  const shown = Math.ceil(extent.viewport / extent.rowHeight) + 1;
  return { from: Math.max(0, first - overscan), to: Math.min(extent.rows, first + shown + overscan) };
}

export function atEnd(extent: Extent, top: number): boolean {
  return top >= maxTop(extent) - 2;
}
