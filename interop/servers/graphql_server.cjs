// A GraphQL server on the packages `graphql-ws` and `ws`: `graphql_server.cjs CHAIN KEY`; events as JSON lines.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { buildSchema } = require("graphql");
const { useServer } = require("graphql-ws/use/ws");
const { WebSocketServer } = require("ws");

const [chain, key] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const schema = buildSchema("type Query { greeting(name: String!): String! } type Subscription { count(to: Int!): Int! }");
const greeting = ({ name }) => `Grüße, ${name}`;
async function* count({ to }) {
  for (let number = 1; number <= to; number++) yield { count: number };
}

function serve(server) {
  const sockets = new WebSocketServer({ server, path: "/graphql", perMessageDeflate: { threshold: 0 } });
  useServer({ schema, roots: { query: { greeting }, subscription: { count } } }, sockets);
  sockets.on("connection", (socket, request) => {
    const mark = new URL(request.url, "http://here").searchParams.get("mark");
    socket.on("close", (code) => tell({ event: "close", mark, code, subprotocol: socket.protocol }));
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server.address().port)));
}

(async () => {
  const port = await serve(http.createServer());
  const tlsPort = await serve(https.createServer({ cert: fs.readFileSync(chain), key: fs.readFileSync(key) }));
  tell({ event: "listening", port, tls_port: tlsPort });
})();
