// A client on undici's WebSocket: reads its job from standard input, prints what it saw (see node_job.py).
"use strict";
const fs = require("node:fs");
const { Agent, ProxyAgent, WebSocket } = require("undici");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const trust = job.ca ? { ca: job.ca } : {};
const dispatcher = job.proxy
  ? new ProxyAgent({ uri: job.proxy, requestTls: trust, proxyTunnel: true })
  : new Agent({ connect: trust });

const event = (target, name) =>
  new Promise((found, failed) => {
    target.addEventListener(name, found, { once: true });
    target.addEventListener("error", (e) => failed(e.error ?? new Error(e.message || "error event")), { once: true });
  });

function kindAndBase64(data) {
  if (typeof data === "string") return ["text", Buffer.from(data).toString("base64")];
  return ["binary", Buffer.from(data).toString("base64")];
}

(async () => {
  const socket = new WebSocket(job.url, { protocols: job.subprotocols, dispatcher });
  socket.binaryType = "arraybuffer";
  await event(socket, "open");
  const closed = event(socket, "close");
  const received = [];
  for (const step of job.steps) {
    if (step.do === "close") {
      socket.close(step.code, step.reason);
    } else {
      const next = event(socket, "message");
      socket.send(step.do === "binary" ? Buffer.from(step.base64, "base64") : step.text);
      received.push(kindAndBase64((await next).data));
    }
  }
  if (job.closed_by_server) socket.send(job.closed_by_server);
  const { code, reason } = await closed;
  const seen = { subprotocol: socket.protocol, extensions: socket.extensions, received };
  console.log(JSON.stringify({ ...seen, close_code: code, close_reason: reason }));
  await dispatcher.destroy();
})();
