// Puts the program in the place of the script that looks for it: it then starts at once, with no process in front of it.
// Whatever goes wrong here, the script does the same.
const fs = require("node:fs");
const path = require("node:path");

try {
  // Other package managers start what is here with Node.js, whatever it is.
  if (!/^npm\//.test(process.env.npm_config_user_agent ?? "")) process.exit(0);
  const program = require.resolve(`@roboppi/linux-${process.arch}/bin/roboppi`);
  const place = path.join(__dirname, "bin", "roboppi");
  const next = `${place}.${process.pid}`;
  try {
    fs.linkSync(program, next);
  } catch {
    fs.copyFileSync(program, next);
  }
  fs.chmodSync(next, 0o755);
  fs.renameSync(next, place);
} catch (error) {
  console.error(`roboppi: the program is started by a script: ${error.message}`);
}
