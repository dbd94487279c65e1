import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    // light-dark() and nothing older.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    outDir: "dist",
    emptyOutDir: true,
    // Inlined assets would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  server: { host: "127.0.0.1", proxy: { "/api": { target: "http://127.0.0.1:7799", ws: true } } },
  test: { include: ["unit/**/*.test.ts"] },
} as never);
