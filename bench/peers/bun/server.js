// uWebSockets as it comes inside Bun, with its own publish and subscribe: `bun server.js PORT`. One text message is one
// command, as for the baseline: `B<text>` sends the text to all clients, `J` joins a room whose count is sent at most every 50 ms.
const joined = new Set();
let timer;

function announce() {
  timer ??= setTimeout(() => {
    timer = undefined;
    server.publish("bench", JSON.stringify({ count: joined.size }));
  }, 50);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("A WebSocket is expected.", { status: 426 })),
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    open: (socket) => socket.subscribe("bench"),
    message(socket, text) {
      if (text.startsWith("B")) server.publish("bench", text.slice(1));
      else if (text.startsWith("J")) {
        joined.add(socket);
        announce();
      }
    },
    close: (socket) => void (joined.delete(socket) && announce()),
  },
});
