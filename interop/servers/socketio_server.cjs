// A Socket.IO server: `socketio_server.cjs CHAIN KEY`; echoes events with an acknowledgement; events as JSON lines.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { Server } = require("socket.io");

const [chain, key] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

function serve(server) {
  const io = new Server(server, { pingInterval: 60000, perMessageDeflate: { threshold: 0 } });
  io.on("connection", (socket) => {
    socket.on("say", (words, bytes, done) => {
      socket.emit("said", words, bytes);
      done({ transport: socket.conn.transport.name, size: bytes.length });
    });
    socket.on("disconnect", (reason) => tell({ event: "close", mark: socket.handshake.query.mark, reason }));
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

(async () => {
  const port = await serve(http.createServer());
  const tlsPort = await serve(https.createServer({ cert: fs.readFileSync(chain), key: fs.readFileSync(key) }));
  tell({ event: "listening", port, tls_port: tlsPort });
})();
