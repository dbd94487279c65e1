import type { Problem } from "./types";

/** An answer of the server that is not a success, or no answer at all (status 0). */
export class HttpError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
  get status(): number {
    return this.problem.status;
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof HttpError) return error.problem;
  return { title: "Unexpected error", status: 0, detail: error instanceof Error ? error.message : String(error) };
}

let csrf = "";

export function setCsrf(token: string | undefined): void {
  csrf = token ?? "";
}

/** `/api/v1/…` below the base path of the page. */
export function apiUrl(path: string, query?: Record<string, string | number | boolean | undefined>): string {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") url.searchParams.set(key, String(value));
  }
  return url.href;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...body, title: body.title ?? response.statusText, status: body.status ?? response.status };
  } catch {
    return { title: response.statusText || "The server refused", status: response.status };
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new HttpError({
      title: "The server does not answer",
      status: 0,
      hint: "What is loaded stays here. Check that roboppi serve is running and reachable.",
    });
  }
  if (!response.ok) throw new HttpError(await problemOf(response));
  return response;
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await request(url, { headers: { accept: "application/json" }, ...(signal ? { signal } : {}) });
  return (await response.json()) as T;
}

export async function getText(url: string): Promise<string> {
  return (await request(url, {})).text();
}

export async function send<T>(method: "POST" | "DELETE", url: string, body?: unknown): Promise<T | undefined> {
  const response = await request(url, {
    method,
    headers: { "content-type": "application/json", "x-roboppi-csrf": csrf },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === "" ? undefined : (JSON.parse(text) as T);
}
