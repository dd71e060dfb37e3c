// A Socket.IO client that begins with polling and upgrades: its job is JSON on standard input, its findings on output.
"use strict";
const fs = require("node:fs");
const { once } = require("node:events");
const { io } = require("socket.io-client");
const { HttpProxyAgent } = require("http-proxy-agent");
const { HttpsProxyAgent } = require("https-proxy-agent");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const options = { transports: ["polling", "websocket"], query: { mark: job.mark }, reconnection: false };
if (job.ca) options.ca = job.ca;
if (job.proxy) options.agent = job.way === "absolute" ? new HttpProxyAgent(job.proxy) : new HttpsProxyAgent(job.proxy);

(async () => {
  const socket = io(job.url, options);
  await new Promise((open, failed) => socket.once("connect", open).once("connect_error", failed));
  if (socket.io.engine.transport.name !== "websocket") await once(socket.io.engine, "upgrade");
  const answers = [];
  for (const words of ["hello", "Grüße 🦀"]) {
    const said = new Promise((found) => socket.once("said", (text, bytes) => found([text, [...bytes]])));
    const done = await socket.timeout(20000).emitWithAck("say", words, Buffer.from([0, 255, 1]));
    answers.push([done, await said]);
  }
  socket.disconnect();
  console.log(JSON.stringify({ transport: "websocket", answers }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
