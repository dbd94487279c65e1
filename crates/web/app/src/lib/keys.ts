import { useEffect, useRef } from "preact/hooks";

export type KeyMap = Record<string, (event: KeyboardEvent) => void | false>;

interface Layer {
  level: number;
  map: { current: KeyMap };
}

const stack: Layer[] = [];
let listening = false;

/** `ctrl+k`, `x`, `G`, `Escape`, `ArrowDown`. */
function nameOf(event: KeyboardEvent): string {
  const ctrl = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  const alt = event.altKey ? "alt+" : "";
  return `${ctrl}${alt}${ctrl === "" ? event.key : event.key.toLowerCase()}`;
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const name = nameOf(event);
  // In a text field, and in a dialog, only keys with Ctrl are commands.
  if ((typing(event.target) || document.querySelector("dialog[open]")) && !name.startsWith("ctrl+")) return;
  // Enter and Space belong to the control that has the focus.
  if ((name === "Enter" || name === " ") && event.target instanceof HTMLElement && event.target.closest("button, a, summary")) return;
  for (let i = stack.length - 1; i >= 0; i -= 1) {
    const action = stack[i]?.map.current[name];
    if (action && action(event) !== false) {
      event.preventDefault();
      return;
    }
  }
}

/** Keys while the component is shown. The inner one wins: 0 is the frame, 1 a page, 2 a view of it. `false` passes the key on. */
export function useKeys(level: 0 | 1 | 2, map: KeyMap): void {
  const ref = useRef(map);
  ref.current = map;
  useEffect(() => {
    if (!listening) {
      listening = true;
      document.addEventListener("keydown", onKey);
    }
    const layer = { level, map: ref };
    stack.push(layer);
    // Effects of inner components run first, so the order of mounting is not that of levels.
    stack.sort((a, b) => a.level - b.level);
    return () => {
      stack.splice(stack.indexOf(layer), 1);
    };
  }, []);
}
