// Leads a client that knows no proxies through one: `tunnel.cjs absolute|connect PROXY TARGET`, both HOST:PORT.
// connect: opens a tunnel for each connection, then passes bytes. absolute: makes the target of the first request line
// absolute, then passes bytes. Nothing else of a conversation is touched; ends and resets of a stream are passed as well.
"use strict";
const net = require("node:net");

const [way, proxy, target] = process.argv.slice(2);
const CRLF = Buffer.from("\r\n");

// Resolves with all that has come once `ends` is in it.
function until(socket, ends) {
  return new Promise((found) => {
    let kept = Buffer.alloc(0);
    const take = (part) => {
      kept = Buffer.concat([kept, part]);
      if (!kept.includes(ends)) return;
      socket.off("data", take);
      socket.pause();
      found(kept);
    };
    socket.on("data", take);
  });
}

async function lead(client) {
  const [host, port] = proxy.split(":");
  const server = net.connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  for (const [socket, other] of [[client, server], [server, client]]) {
    socket.on("error", () => other.resetAndDestroy());
  }
  if (way === "connect") {
    client.pause();
    server.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const head = await until(server, Buffer.from("\r\n\r\n"));
    if (!head.toString().startsWith("HTTP/1.1 200") || !head.subarray(-4).equals(Buffer.from("\r\n\r\n"))) {
      console.error(`not a tunnel: ${head}`);
      return client.destroy();
    }
  } else {
    const head = await until(client, CRLF);
    const end = head.indexOf(CRLF);
    server.write(head.subarray(0, end).toString("latin1").replace(" /", ` ws://${target}/`), "latin1");
    server.write(head.subarray(end));
  }
  client.pipe(server);
  server.pipe(client);
}

const listener = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: false }, lead);
listener.listen(0, "127.0.0.1", () => {
  process.stdout.write(JSON.stringify({ event: "listening", port: listener.address().port }) + "\n");
});
