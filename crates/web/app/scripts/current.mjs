// Checks whether the committed dist is what the sources build.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));
const MOST_GZIPPED = 120_000;

function files(dir, under = dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? files(path, under) : [relative(under, path)];
  }).sort();
}

const built = mkdtempSync(join(tmpdir(), "roboppi-dist-"));
try {
  execFileSync(join(root, "node_modules/.bin/vite"), ["build", "--outDir", built, "--emptyOutDir", "--logLevel", "error"], { cwd: root, stdio: "inherit" });
  const dist = join(root, "dist");
  const differing = [...new Set([...files(built), ...files(dist)])].filter((name) => {
    try {
      return !readFileSync(join(built, name)).equals(readFileSync(join(dist, name)));
    } catch {
      return true;
    }
  });
  if (differing.length > 0) {
    console.error(`dist is not what the sources build: ${differing.join(", ")}\nRun npm run build and commit dist.`);
    process.exit(1);
  }
  const size = files(dist).reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, name)), { level: 9 }).length, 0);
  if (size > MOST_GZIPPED) {
    console.error(`dist has ${size} bytes gzipped, more than ${MOST_GZIPPED}`);
    process.exit(1);
  }
  console.log(`dist is current: ${size} bytes gzipped`);
} finally {
  rmSync(built, { recursive: true });
}
