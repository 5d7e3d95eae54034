// Free ports outside the range from which the kernel takes the ports of outgoing connections, so that no other process takes
// a port while its node is being restarted.
import dgram from "node:dgram";
import net from "node:net";

const given = new Set();

/** A port that is free for TCP and UDP. */
export async function freePort() {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    if (!given.has(port) && (await tcpIsFree(port)) && (await udpIsFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error("no free port found");
}

function tcpIsFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function udpIsFree(port) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind(port, "127.0.0.1", () => socket.close(() => resolve(true)));
  });
}
