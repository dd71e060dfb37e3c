// The origin of the fuzzing client, on the Node.js package `ws`: `echo.cjs CHAIN KEY`; says where it listens as a JSON line.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { WebSocketServer } = require("ws");

const [chain, key] = process.argv.slice(2);

function serve(server) {
  // Group 9 sends messages of many thousand fragments; with its own limit on them `ws` fails it by itself.
  // All is compressed, but fast: two thirds of the time of groups 12 and 13 would be its deflater.
  const perMessageDeflate = { threshold: 0, zlibDeflateOptions: { level: 1 } };
  const options = { server, maxPayload: 64 << 20, maxFragments: 0, perMessageDeflate };
  new WebSocketServer(options).on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    // What the suite sends is meant to be wrong: `ws` has answered it with a Close.
    socket.on("error", () => {});
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

(async () => {
  const port = await serve(http.createServer());
  const tlsPort = await serve(https.createServer({ cert: fs.readFileSync(chain), key: fs.readFileSync(key) }));
  process.stdout.write(JSON.stringify({ event: "listening", port, tls_port: tlsPort }) + "\n");
})();
