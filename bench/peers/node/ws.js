// A plain WebSocket server on the npm package `ws`: `node ws.js PORT`. One text message is one command, as for the baseline:
// `B<text>` sends the text to all clients, `J` joins a room whose count is sent at most every 50 ms.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4_096, perMessageDeflate: false });
const joined = new Set();
let timer;

function toAll(bytes) {
  for (const client of server.clients) client.send(bytes, { binary: false });
}

function announce() {
  timer ??= setTimeout(() => {
    timer = undefined;
    toAll(Buffer.from(JSON.stringify({ count: joined.size })));
  }, 50);
}

server.on("connection", (client) => {
  client.on("message", (bytes) => {
    const command = String.fromCharCode(bytes[0]);
    if (command === "B") toAll(bytes.subarray(1));
    else if (command === "J") {
      joined.add(client);
      announce();
    }
  });
  client.on("close", () => joined.delete(client) && announce());
});
