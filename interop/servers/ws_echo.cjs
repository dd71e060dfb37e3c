// An echo server on the Node.js package `ws`: `ws_echo.cjs CHAIN KEY deflate|plain`; events as JSON lines.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { WebSocketServer } = require("ws");

const [chain, key, compression] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

function talk(socket, request) {
  const headers = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) headers.push(request.rawHeaders.slice(i, i + 2));
  tell({ event: "open", path: request.url, headers, subprotocol: socket.protocol });
  socket.on("message", (data, binary) => {
    const text = binary ? "" : data.toString();
    if (text === "ping me") {
      socket.once("pong", (payload) => socket.send("pong: " + payload));
      socket.ping("from the server");
    } else if (text.startsWith("close ")) {
      const [, code, ...reason] = text.split(" ");
      socket.close(Number(code), reason.join(" "));
    } else {
      socket.send(data, { binary });
    }
  });
  socket.on("error", (error) => tell({ event: "error", path: request.url, error: String(error) }));
  socket.on("close", (code, reason) => tell({ event: "close", path: request.url, code, reason: reason.toString() }));
}

function serve(server) {
  const options = {
    server,
    maxPayload: 256 << 20,
    perMessageDeflate: compression === "deflate" ? { threshold: 0 } : false,
    handleProtocols: (offered) => (offered.has("chat.v2") ? "chat.v2" : false),
  };
  new WebSocketServer(options).on("connection", talk);
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

(async () => {
  const port = await serve(http.createServer());
  const tlsPort = await serve(https.createServer({ cert: fs.readFileSync(chain), key: fs.readFileSync(key) }));
  tell({ event: "listening", port, tls_port: tlsPort });
})();
