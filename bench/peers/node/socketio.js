// A server on the npm package `socket.io`: `node socketio.js PORT`. `POST /broadcast` sends its JSON to the room `bench`;
// clients that join `storm` are counted, and the count is sent at most every 50 ms.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const web = createServer((request, answer) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    if (request.method === "POST") io.to("bench").emit("message", JSON.parse(body));
    answer.end();
  });
});
const io = new Server(web, { perMessageDeflate: false, serveClient: false, transports: ["websocket"] });
let timer;

function announce() {
  timer ??= setTimeout(() => {
    timer = undefined;
    io.to("storm").emit("presence", { count: io.sockets.adapter.rooms.get("storm")?.size ?? 0 });
  }, 50);
}

io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    socket.join(room);
    done("ok");
    if (room === "storm") announce();
  });
  socket.on("disconnecting", () => socket.rooms.has("storm") && announce());
});
web.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4_096 });
