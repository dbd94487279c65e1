import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useApp } from "../app";
import { asProblem } from "../api/http";
import type { LoginKind, Problem } from "../api/types";
import { Icon } from "./icons";
import { ProblemBox } from "./parts";

export function Login({ kind = "token", done }: { kind?: LoginKind | undefined; done: () => void }): JSX.Element {
  const app = useApp();
  const [secret, setSecret] = useState("");
  const [totp, setTotp] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const token = kind === "token";
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    const body: Record<string, string> = token ? { token: secret.trim() } : { password: secret };
    if (kind === "password+totp") body["totp"] = totp.trim();
    app.source
      .login(body)
      .then(done)
      .catch((error: unknown) => setProblem(refusal(asProblem(error), token)))
      .finally(() => setBusy(false));
  };
  return (
    <main class="login">
      <form onSubmit={submit}>
        <div class="login-mark">
          <Icon name="mark" />
        </div>
        <h1>roboppi</h1>
        <p class="secondary">{token ? "Open the link that roboppi serve has printed, or paste its token." : "The password of this server."}</p>
        <label>
          {token ? "Token" : "Password"}
          <input type="password" name="secret" autocomplete="current-password" required value={secret} onInput={(e) => setSecret(e.currentTarget.value)} />
        </label>
        {kind === "password+totp" && (
          <label>
            Code
            <input name="totp" inputMode="numeric" autocomplete="one-time-code" maxLength={8} required value={totp} onInput={(e) => setTotp(e.currentTarget.value)} />
          </label>
        )}
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
        {problem && <ProblemBox problem={problem} />}
      </form>
    </main>
  );
}

function refusal(problem: Problem, token: boolean): Problem {
  if (problem.status === 401) {
    return {
      ...problem,
      title: token ? "This token is not valid" : "Not accepted",
      hint: problem.hint ?? "roboppi serve prints the current link when it starts; a new start may have a new token.",
    };
  }
  if (problem.status === 429) return { ...problem, title: "Too many attempts", hint: problem.hint ?? "Wait a minute, then try again." };
  return problem;
}
