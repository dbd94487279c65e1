#!/usr/bin/env node
// Runs the program of this processor. Where scripts of packages are run, install.js has put the program itself here.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const name = `@roboppi/linux-${process.arch}/bin/roboppi`;
let program;
try {
  program = require.resolve(name);
} catch {
  console.error(`roboppi: there is no program for ${process.platform} on ${process.arch}: the package ${name.replace("/bin/roboppi", "")} is not installed.`);
  console.error("hint: install without --omit=optional, on Linux on x64 or arm64");
  process.exit(125);
}

if (typeof process.execve === "function") {
  process.execve(program, ["roboppi", ...process.argv.slice(2)], process.env);
}

// The program ends with everything it started; this process waits, passes signals on, and ends as it does.
const child = spawn(program, process.argv.slice(2), { stdio: "inherit", argv0: "roboppi" });
// A terminal sends these to the program as well, which takes a second one within a moment for the same.
for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => process.stdin.isTTY || child.kill(signal));
for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(`roboppi: ${program} cannot be started: ${error.message}`);
  process.exit(125);
});
child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
