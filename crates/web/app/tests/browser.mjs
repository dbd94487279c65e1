import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The path of a Chromium of the machine. */
export function chromiumPath() {
  return PLACES.find((path) => path !== undefined && existsSync(path));
}

export function openBrowser() {
  // Its sandbox cannot be set up by root.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: chromiumPath(), args });
}
