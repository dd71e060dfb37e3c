// The client of the fuzzing server, on the Node.js package `ws`: `client.cjs JOB` goes through the cases, one connection each.
// JOB is a file of JSON: {way, url, proxy, ca, cases, patience_ms}.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const tls = require("node:tls");
const WebSocket = require("ws");

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const ca = job.ca ? fs.readFileSync(job.ca) : undefined;
const target = new URL(job.url);

// How a connection reaches the server: `ws` leaves it to `createConnection`, and the request line to `finishRequest`.
function ways() {
  if (!job.proxy) return {};
  const proxy = new URL(`http://${job.proxy}`);
  const dial = { host: proxy.hostname, port: Number(proxy.port) };
  if (job.way === "absolute") {
    const finishRequest = (request) => {
      request.path = `ws://${target.host}${request.path}`;
      request.end();
    };
    return { createConnection: () => net.connect(dial), finishRequest };
  }
  const createConnection = (_options, created) => {
    const request = http.request({ ...dial, method: "CONNECT", path: target.host, headers: { Host: target.host } });
    request.on("error", created);
    request.on("connect", (response, socket, early) => {
      if (response.statusCode !== 200) return created(new Error(`CONNECT: ${response.statusCode}`));
      if (early.length) socket.unshift(early);
      const secured = target.protocol === "wss:";
      created(null, secured ? tls.connect({ socket, servername: target.hostname, ca }) : socket);
    });
    request.end();
  };
  return { createConnection };
}

function converse(id) {
  // The same as the origin's, see echo.cjs.
  const perMessageDeflate = { threshold: 0, zlibDeflateOptions: { level: 1 } };
  const options = { maxPayload: 64 << 20, maxFragments: 0, perMessageDeflate, ca, ...ways() };
  return new Promise((over) => {
    const socket = new WebSocket(`${job.url}/runCase?casetuple=${id}&agent=${job.way}`, options);
    const patience = setTimeout(() => {
      console.error(`${id}: still open after ${job.patience_ms} ms, ended`);
      socket.terminate();
    }, job.patience_ms);
    let opened = false;
    socket.on("open", () => (opened = true));
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    // After the handshake errors are what the suite is for; before it they are not.
    socket.on("error", (error) => opened || console.error(`${id}: ${error}`));
    socket.on("close", () => {
      clearTimeout(patience);
      over();
    });
  });
}

(async () => {
  for (const id of job.cases) await converse(id);
  process.stdout.write(JSON.stringify({ event: "done" }) + "\n");
})();
