// A client on the package `ws`: reads its job from standard input, prints what it saw (see node_job.py).
"use strict";
const fs = require("node:fs");
const { once } = require("node:events");
const WebSocket = require("ws");
const { HttpProxyAgent } = require("http-proxy-agent");
const { HttpsProxyAgent } = require("https-proxy-agent");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const options = { perMessageDeflate: { threshold: 0 }, maxPayload: 256 << 20 };
if (job.ca) options.ca = job.ca;
if (job.proxy) options.agent = job.way === "absolute" ? new HttpProxyAgent(job.proxy) : new HttpsProxyAgent(job.proxy);

async function answer(socket) {
  const [data, binary] = await once(socket, "message");
  return [binary ? "binary" : "text", data.toString("base64")];
}

async function take(socket, step, received) {
  if (step.do === "ping") {
    const pong = once(socket, "pong");
    socket.ping(Buffer.from(step.base64, "base64"));
    const [payload] = await pong;
    if (payload.toString("base64") !== step.base64) throw new Error("another pong: " + payload);
    return;
  }
  const next = answer(socket);
  if (step.do === "fragments") {
    step.parts.forEach((part, i) => socket.send(part, { fin: i === step.parts.length - 1 }));
  } else if (step.do === "binary") {
    socket.send(Buffer.from(step.base64, "base64"));
  } else {
    socket.send(step.text);
  }
  received.push(await next);
}

(async () => {
  const socket = new WebSocket(job.url, job.subprotocols, options);
  await once(socket, "open");
  const closed = once(socket, "close");
  const received = [];
  for (const step of job.steps) {
    if (step.do === "close") socket.close(step.code, step.reason);
    else await take(socket, step, received);
  }
  if (job.closed_by_server) socket.send(job.closed_by_server);
  const [code, reason] = await closed;
  const seen = { subprotocol: socket.protocol, extensions: socket.extensions, received };
  console.log(JSON.stringify({ ...seen, close_code: code, close_reason: reason.toString() }));
})();
