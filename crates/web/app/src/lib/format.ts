const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** `412ms`, `4.2s`, `1m02s`, `2h05m`, `3d04h`; the screen writes durations the same way. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return "–";
  if (ms < 1000) return `${Math.max(1, Math.round(ms))}ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/** A duration that is counting: whole seconds, so that it does not flicker. */
export function elapsed(ms: number): string {
  return duration(Math.max(1000, Math.floor(Math.max(0, ms) / 1000) * 1000)).replace(/\.0s$/, "s");
}

/** A guess: `~40s`, `~18m`, `~2h05m`, `~3d`; it moves in steps, since every single second would claim too much. */
export function roughly(ms: number): string {
  if (ms < 55_000) return `~${Math.max(1, Math.round(ms / 10_000))}0s`;
  const minutes = Math.max(1, Math.round(ms / 60_000));
  if (minutes < 60) return `~${minutes}m`;
  const fives = Math.round(minutes / 5) * 5;
  if (fives < 1440) return `~${Math.floor(fives / 60)}h${two(fives % 60)}m`;
  return `~${Math.round(minutes / 1440)}d`;
}

export function ago(at: number, now: number): string {
  const ms = now - at;
  if (ms < 5000) return "just now";
  if (ms < 60_000) return `${Math.floor(ms / 1000)}s ago`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m ago`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}h ago`;
  return `${Math.floor(ms / 86_400_000)}d ago`;
}

export function bytes(n: number): string {
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value < 9.95 ? value.toFixed(1) : value < 99.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** `1.2k`, `3.4M`: for tokens. */
export function compact(n: number): string {
  if (n < 1000) return String(Math.round(n));
  if (n < 999_500) return `${trim(n / 1000)}k`;
  return `${trim(n / 1_000_000)}M`;
}

export function money(usd: number): string {
  if (usd === 0) return "$0";
  return usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

export function percent(ratio: number): string {
  if (ratio > 0.995 && ratio < 1) return "> 99 %";
  return `${Math.round(ratio * 100)} %`;
}

export function clock(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function clockMs(at: number): string {
  return `${clock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;
}

/** The time of today, or the date and the time. */
export function moment(at: number, now: number): string {
  const date = new Date(at);
  const today = new Date(now);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === today.toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

function trim(n: number): string {
  return n < 9.95 ? n.toFixed(1).replace(/\.0$/, "") : String(Math.round(n));
}
