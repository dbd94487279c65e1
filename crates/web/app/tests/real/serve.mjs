// A real server with its own directory of runs, and workflows whose steps wait for files of the test.
import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { proxy } from "./proxy.mjs";

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
const BIN = process.env["ROBOPPI_BIN"];
/** What has not been printed by then never will. */
const HANGS_MS = 60_000;
const TOKEN = "a-token-of-the-tests-that-is-long-enough";

export class Roboppi {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "roboppi-page-"));
    this.children = new Set();
    // Nothing that a test has started is left when the tests are interrupted.
    process.on("exit", () => this.children.forEach((child) => child.kill("SIGKILL")));
    this.env = { PATH: `${join(this.dir, "bin")}:${process.env.PATH}`, HOME: join(this.dir, "home"), XDG_STATE_HOME: join(this.dir, "state"), XDG_RUNTIME_DIR: join(this.dir, "run"), LANG: "C.UTF-8", TERM: "dumb" };
    // The program that prints what an agent prints comes first in the path.
    mkdirSync(join(this.dir, "bin"));
    cpSync(fileURLToPath(new URL("../../../../../tests/e2e/fake_claude.sh", import.meta.url)), join(this.dir, "bin/claude"));
    chmodSync(join(this.dir, "bin/claude"), 0o755);
    writeFileSync(join(this.dir, "token"), TOKEN, { mode: 0o600 });
  }

  spawn(...args) {
    const child = spawn(BIN, args, { cwd: this.dir, env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.children.add(child);
    child.output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (child.output += data));
    child.ended = new Promise((done) => child.on("exit", (code) => (this.children.delete(child), done(code))));
    return child;
  }

  async serve(port = 0) {
    this.server = this.spawn("serve", "--bind", `127.0.0.1:${port}`, "--token-file", join(this.dir, "token"));
    const url = await this.printed(this.server, /http:\/\/127\.0\.0\.1:\d+\//);
    this.port = Number(new URL(url).port);
    if (process.env["ROBOPPI_DIST"] !== undefined) {
      this.proxy ??= await proxy(0);
      this.proxy.target.port = this.port;
    }
    this.url = this.proxy?.url ?? url;
    return this.url;
  }

  async kill() {
    this.server.kill("SIGKILL");
    await this.server.ended;
  }

  /** Waits for what a program prints. */
  async printed(child, pattern) {
    const end = Date.now() + HANGS_MS;
    for (;;) {
      const found = pattern.exec(child.output);
      if (found) return found[1] ?? found[0];
      if (child.exitCode !== null || Date.now() > end) throw new Error(`no ${pattern} in: ${child.output}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  file(name) {
    return join(this.dir, name);
  }

  touch(name, text = "") {
    writeFileSync(this.file(name), text);
  }

  /** Starts a workflow with one agent, which behaves as its prompt says, and returns its handle. */
  agent(name, prompt) {
    return this.start(name, `  fix:\n    worker: CLAUDE_CODE\n    capabilities: [READ, EDIT, RUN_TESTS]\n    instructions: ${prompt}\n`);
  }

  /** Starts a workflow with an agent that prints so many messages in a second, and returns its handle. */
  steadyAgent(perSecond, seconds) {
    const module = fileURLToPath(new URL("steady_agent.mjs", import.meta.url));
    rmSync(this.file("bin/claude"));
    writeFileSync(this.file("bin/claude"), `#!/bin/sh\nexec ${process.execPath} ${module} "$@"\n`, { mode: 0o755 });
    return this.agent("steady", `print ${perSecond} a second for ${seconds} s`);
  }

  /** Starts a workflow of shell scripts, `{ step: script }`, and returns its handle. */
  run(name, steps) {
    const indent = (script) => script.trim().split("\n").map((line) => `      ${line}`).join("\n");
    const text = Object.entries(steps).map(([step, script]) => `  ${step}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: |\n${indent(script)}\n`);
    return this.start(name, text.join(""));
  }

  async start(name, steps) {
    writeFileSync(this.file(`${name}.yaml`), `name: ${name}\nversion: "1"\ntimeout: 10m\nsteps:\n${steps}`);
    const child = this.spawn("workflow", "run", this.file(`${name}.yaml`), "--plain");
    const handle = await this.printed(child, /run\s+(r\d+)/);
    return { handle, child };
  }

  async close() {
    this.proxy?.close();
    for (const child of this.children) child.kill("SIGTERM");
    await Promise.all([...this.children].map((child) => Promise.race([child.ended, new Promise((done) => setTimeout(() => (child.kill("SIGKILL"), done()), HANGS_MS))])));
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export { TOKEN };
