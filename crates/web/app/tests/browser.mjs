import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The path of a Chromium of the machine. */
export function chromiumPath() {
  return PLACES.find((path) => path !== undefined && existsSync(path));
}

export function openBrowser() {
  // Each launch has an empty profile of its own, and reaches nothing but the page. Root and many containers cannot set up its sandbox.
  return chromium.launch({ executablePath: chromiumPath(), headless: true, args: ARGUMENTS });
}
