// An echo server on `ws` that compresses as the query of the URL says: `judged_ws.cjs`; events as JSON lines.
"use strict";
const http = require("node:http");
const { WebSocketServer } = require("ws");
const { note, say } = require("./judged.cjs");

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

function deflate(query) {
  if (query.get("deflate") === "no") return false;
  return {
    threshold: 0,
    serverNoContextTakeover: query.get("server_takeover") === "no",
    clientNoContextTakeover: query.get("client_takeover") === "no",
    serverMaxWindowBits: Number(query.get("server_bits")),
    clientMaxWindowBits: Number(query.get("client_bits")),
  };
}

function talk(socket, request) {
  const seen = { received: [], injected: [], error: null };
  socket.on("message", (data, binary) => {
    if (note(seen, data, binary)) say(socket, data, binary);
  });
  socket.on("error", (error) => (seen.error = String(error)));
  socket.on("close", (code) => tell({ event: "closed", path: request.url, code, ...seen }));
}

const server = http.createServer();
server.on("upgrade", (request, socket, head) => {
  const query = new URL(request.url, "http://here").searchParams;
  const options = { noServer: true, maxPayload: 64 << 20, perMessageDeflate: deflate(query) };
  // Pongs wait behind the echoes of a client that says all at once.
  const door = new WebSocketServer({ ...options, maxPendingAutoPongs: 0 });
  door.handleUpgrade(request, socket, head, (opened) => talk(opened, request));
});
server.listen(0, "127.0.0.1", () => tell({ event: "listening", port: server.address().port, tls_port: 0 }));
