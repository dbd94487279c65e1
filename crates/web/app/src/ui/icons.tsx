import type { JSX } from "preact";

const PATHS = {
  mark: "M3 11.5l3.2-4.3 2.8 2.5L13 4.5",
  runs: "M2.5 4h11M2.5 8h7M2.5 12h9",
  tools: "M10 2.5a3.5 3.5 0 0 0-3.3 4.7L2.5 11.4l2.1 2.1 4.2-4.2A3.5 3.5 0 0 0 13.3 5l-2 1.3-1.6-1.6L11 2.7a3.5 3.5 0 0 0-1-.2z",
  agents: "M8 2.5v2M4 4.5h8a1.5 1.5 0 0 1 1.5 1.5v5A1.5 1.5 0 0 1 12 12.5H4A1.5 1.5 0 0 1 2.5 11V6A1.5 1.5 0 0 1 4 4.5zM6 8v1M10 8v1",
  metrics: "M3 13V8M8 13V3M13 13V6",
  history: "M2.5 8a5.5 5.5 0 1 0 1.8-4.1L2.5 5.5M2.5 2.5v3h3M8 5v3.2l2.2 1.3",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2",
  help: "M6 6.2a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.3M8 11.6v.1M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z",
  theme: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5l4.8-.6M8 8h6M8 11l4.6.6",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  back: "M10 3L5 8l5 5",
  close: "M4 4l8 8M12 4l-8 8",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
