// A client on `ws` that says what a rule blocks, in several ways, and "between" behind each.
"use strict";
const fs = require("node:fs");
const { once } = require("node:events");
const WebSocket = require("ws");
const { HttpsProxyAgent } = require("https-proxy-agent");

const { url, proxy } = JSON.parse(fs.readFileSync(0, "utf8"));

function inParts(socket, text, binary) {
  const bytes = Buffer.from(text);
  bytes.forEach((_, i) => socket.send(bytes.subarray(i, i + 1), { binary, fin: i === bytes.length - 1 }));
}

(async () => {
  const socket = new WebSocket(url, { agent: new HttpsProxyAgent(proxy), perMessageDeflate: { threshold: 0 } });
  await once(socket, "open");
  const ways = [
    () => socket.send("drop table users"),
    () => inParts(socket, "DROP TABLE users", false),
    () => inParts(socket, "DROP\tTABLE users", true),
    () => socket.send('{"q": "{\\"q\\": \\"\\\\u0044ROP TABLE users\\"}"}'),
  ];
  for (const way of ways) {
    way();
    socket.send("between");
  }
  socket.close(1000);
  await once(socket, "close");
})();
