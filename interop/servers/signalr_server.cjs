// A stand-in for a SignalR server, written for these tests: `signalr_server.cjs CHAIN KEY`; events as JSON lines.
// It speaks as much of the JSON hub protocol over `ws` as the client needs: negotiate, handshake, Echo and Count.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { randomUUID } = require("node:crypto");
const { WebSocketServer } = require("ws");

const [chain, key] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const END = "\x1e";
const [INVOCATION, ITEM, COMPLETION, STREAM, CLOSE] = [1, 2, 3, 4, 7];
const transports = [{ transport: "WebSockets", transferFormats: ["Text", "Binary"] }];

function negotiate(request, response) {
  const { pathname } = new URL(request.url, "http://here");
  if (request.method !== "POST" || pathname !== "/hub/negotiate") return response.writeHead(404).end();
  const id = { connectionId: randomUUID(), connectionToken: randomUUID() };
  const answer = JSON.stringify({ negotiateVersion: 1, ...id, availableTransports: transports });
  request.resume().on("end", () => response.setHeader("Content-Type", "application/json").end(answer));
}

function talk(socket, request) {
  const mark = new URL(request.url, "http://here").searchParams.get("mark");
  const say = (...messages) => socket.send(messages.map((message) => JSON.stringify(message) + END).join(""));
  let greeted = false;
  let goodbye = false;
  const take = (message) => {
    const { type, target, invocationId, arguments: words } = message;
    if (!greeted) {
      greeted = message.protocol === "json" && message.version === 1;
      say(greeted ? {} : { error: "not a handshake" });
    } else if (type === INVOCATION && target === "Echo") {
      // Two in one message of the WebSocket, as real servers have it.
      say({ type: INVOCATION, target: "said", arguments: words }, { type: COMPLETION, invocationId, result: words[0] });
    } else if (type === STREAM && target === "Count") {
      for (let item = 1; item <= words[0]; item++) say({ type: ITEM, invocationId, item });
      say({ type: COMPLETION, invocationId });
    } else if (type === CLOSE) {
      goodbye = true;
    }
  };
  socket.on("message", (data) => data.toString().split(END).filter(Boolean).map(JSON.parse).forEach(take));
  socket.on("close", () => tell({ event: "close", mark, goodbye }));
}

function serve(server) {
  new WebSocketServer({ server, path: "/hub", perMessageDeflate: { threshold: 0 } }).on("connection", talk);
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

(async () => {
  const port = await serve(http.createServer(negotiate));
  const options = { cert: fs.readFileSync(chain), key: fs.readFileSync(key) };
  const tlsPort = await serve(https.createServer(options, negotiate));
  tell({ event: "listening", port, tls_port: tlsPort });
})();
