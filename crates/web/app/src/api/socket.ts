import { delayMs } from "./backoff";
import type { ServerFrame, Topic } from "./types";
import { createStore, type Store } from "../lib/store";

export type Connection =
  | { state: "connecting" }
  | { state: "live"; catchingUp: number }
  | { state: "reconnecting"; since: number; nextAt: number; tries: number }
  | { state: "offline"; since: number }
  | { state: "polling"; since: number }
  | { state: "loggedOut" }
  | { state: "packed" };

export interface Subscription {
  topic: Topic;
  /** The cursor that was applied last, or the number of the next log line. */
  resume: () => Record<string, unknown>;
  onFrame: (frame: ServerFrame) => void;
}

const PING_MS = 15_000;
const SILENCE_MS = 40_000;
/** So many failures in a row, without one welcome, mean that sockets are blocked on the way. */
const BLOCKED_AFTER = 3;

/** The only socket of the page. Subscriptions outlive it and resume with their cursors. */
export class Socket {
  readonly connection: Store<Connection> = createStore<Connection>({ state: "connecting" });
  private socket: WebSocket | undefined;
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly behind = new Set<string>();
  private nextSub = 1;
  private tries = 0;
  private everOpen = false;
  private lostAt = 0;
  private heardAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(private readonly url: string) {
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.socket === undefined) this.retryNow();
    });
    setInterval(() => this.beat(), PING_MS);
  }

  start(): void {
    this.closed = false;
    this.connect();
  }

  /** Ends the socket after a log-out. */
  stop(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.connection.set({ state: "loggedOut" });
  }

  retryNow(): void {
    if (this.closed || this.socket !== undefined) return;
    clearTimeout(this.timer);
    this.connect();
  }

  subscribe(subscription: Subscription): () => void {
    const sub = `s${this.nextSub++}`;
    this.subscriptions.set(sub, subscription);
    this.sendSubscribe(sub, subscription);
    return () => {
      this.subscriptions.delete(sub);
      this.behind.delete(sub);
      this.send({ type: "unsubscribe", sub });
      this.showLive();
    };
  }

  private connect(): void {
    if (this.socket !== undefined) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.heardAt = Date.now();
    };
    socket.onmessage = (message) => {
      this.heardAt = Date.now();
      let frame: ServerFrame;
      try {
        frame = JSON.parse(String(message.data)) as ServerFrame;
      } catch {
        return;
      }
      this.take(frame);
    };
    socket.onclose = (event) => this.lost(socket, event.code);
  }

  private take(frame: ServerFrame): void {
    if (frame.type === "welcome") {
      this.tries = 0;
      this.everOpen = true;
      this.lostAt = 0;
      this.behind.clear();
      for (const [sub, subscription] of this.subscriptions) this.sendSubscribe(sub, subscription);
      this.showLive();
      return;
    }
    if (!("sub" in frame) || frame.sub === undefined) return;
    // Whatever is first after a subscription shows that it is served; after `caughtUp` nothing is left to read.
    if (frame.type === "caughtUp" || frame.type === "lines" || frame.type === "error") this.behind.delete(frame.sub);
    this.subscriptions.get(frame.sub)?.onFrame(frame);
    this.showLive();
  }

  private sendSubscribe(sub: string, subscription: Subscription): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.behind.add(sub);
    this.send({ type: "subscribe", sub, ...subscription.topic, ...subscription.resume() });
  }

  private send(message: Record<string, unknown>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private showLive(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const now = this.connection.get();
    if (now.state === "live" && now.catchingUp === this.behind.size) return;
    this.connection.set({ state: "live", catchingUp: this.behind.size });
  }

  private lost(socket: WebSocket, code: number): void {
    if (this.socket !== socket) return;
    this.socket = undefined;
    if (this.closed) return;
    if (code === 4401) {
      this.stop();
      return;
    }
    if (this.lostAt === 0) this.lostAt = Date.now();
    const wait = code === 4408 ? 200 : delayMs(this.tries, Math.random());
    this.tries += 1;
    if (!navigator.onLine) this.connection.set({ state: "offline", since: this.lostAt });
    else if (!this.everOpen && this.tries >= BLOCKED_AFTER) this.connection.set({ state: "polling", since: this.lostAt });
    else this.connection.set({ state: "reconnecting", since: this.lostAt, nextAt: Date.now() + wait, tries: this.tries });
    this.timer = setTimeout(() => this.connect(), wait);
  }

  private beat(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heardAt > SILENCE_MS) {
      const silent = this.socket;
      silent.close();
      // A dead network delays the close event for minutes.
      this.lost(silent, 1006);
      return;
    }
    this.send({ type: "ping", t: Date.now() });
  }
}
