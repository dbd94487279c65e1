import type { JSX } from "preact";
import { useApp } from "../app";
import { useValue } from "../lib/store";

export function Toasts(): JSX.Element {
  const toasts = useValue(useApp().toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <strong>{toast.text}</strong>
          {toast.detail !== undefined && <span>{toast.detail}</span>}
        </div>
      ))}
    </div>
  );
}
