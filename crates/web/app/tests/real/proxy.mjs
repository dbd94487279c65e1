// The page as it was built last, before a server that was compiled with another one (ROBOPPI_DIST=1): everything but the page is
// passed on.
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

export function proxy(port) {
  const target = { port: 0 };
  const server = createServer(async (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, "http://x");
    if (pathname === "/" || pathname.startsWith("/assets/")) {
      const name = pathname === "/" ? "index.html" : pathname.slice(1);
      outgoing.writeHead(200, { "content-type": TYPES[name.split(".").pop()] ?? "text/plain" });
      return outgoing.end(await readFile(dist + name));
    }
    const passed = request({ host: "127.0.0.1", port: target.port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    return incoming.pipe(passed);
  });
  server.on("upgrade", (incoming, socket, head) => {
    const passed = connect(target.port, "127.0.0.1", () => {
      const headers = incoming.rawHeaders.reduce((all, text, i) => all + text + (i % 2 === 0 ? ": " : "\r\n"), "");
      passed.write(`GET ${incoming.url} HTTP/1.1\r\n${headers}\r\n`);
      passed.write(head);
      socket.pipe(passed).pipe(socket);
    });
    for (const one of [passed, socket]) one.on("error", () => (passed.destroy(), socket.destroy()));
  });
  return new Promise((done) => server.listen(port, "127.0.0.1", () => done({ target, url: `http://127.0.0.1:${server.address().port}/`, close: () => (server.closeAllConnections(), server.close()) })));
}
