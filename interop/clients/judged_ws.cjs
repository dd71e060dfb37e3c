// The client on `ws` of judged conversations: reads its job from standard input, prints what it saw (see judged_client.py).
"use strict";
const fs = require("node:fs");
const { once } = require("node:events");
const WebSocket = require("ws");
const { HttpsProxyAgent } = require("https-proxy-agent");
const { note, say } = require("../servers/judged.cjs");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const agent = job.proxy ? new HttpsProxyAgent(job.proxy) : undefined;

(async () => {
  const deflate = { perMessageDeflate: { threshold: 0 }, maxPayload: 64 << 20 };
  // All is said at once, and Pongs wait behind it: more of them than `ws` puts up with unless it is told to.
  const socket = new WebSocket(job.url, { agent, ...deflate, maxPendingAutoPongs: 0 });
  const seen = { received: [], injected: [] };
  socket.on("message", (data, binary) => {
    note(seen, data, binary);
    if (!binary && data.toString() === job.end) socket.close(1000);
  });
  // `socket.extensions` has the names alone.
  let agreed = "";
  socket.on("upgrade", ({ headers }) => (agreed = headers["sec-websocket-extensions"] ?? ""));
  const closed = once(socket, "close");
  await once(socket, "open");
  for (const { kind, base64 } of job.messages) say(socket, Buffer.from(base64, "base64"), kind === "binary");
  const [code] = await closed;
  console.log(JSON.stringify({ ...seen, extensions: agreed, code }));
})();
