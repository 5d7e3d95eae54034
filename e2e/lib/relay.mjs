// Networks between two nodes, or between browsers and nodes, that a test can cut.
import dgram from "node:dgram";
import net from "node:net";

/**
 * A UDP relay, `at` one address, to `port` of another: what is sent to `relay.port` goes there, answers come back.
 * `cut` and `heal` one way ("there", "back") or both.
 */
export async function udpRelay(t, port, { listen = 0, at = "127.0.0.1", address = "127.0.0.1" } = {}) {
  const open = { there: true, back: true };
  const links = new Map();
  const front = dgram.createSocket("udp4");
  front.on("error", () => {});
  front.on("message", (packet, from) => {
    if (!open.there) return;
    const key = `${from.address}:${from.port}`;
    let link = links.get(key);
    if (!link) {
      link = dgram.createSocket("udp4");
      link.on("error", () => {});
      link.on("message", (answer) => open.back && front.send(answer, from.port, from.address, () => {}));
      links.set(key, link);
    }
    link.send(packet, port, address, () => {});
  });
  await new Promise((resolve) => front.bind(listen, at, resolve));
  t.after(() => {
    front.close();
    for (const link of links.values()) link.close();
  });
  const set = (value, way) => {
    for (const each of way ? [way] : ["there", "back"]) open[each] = value;
  };
  return { port: front.address().port, address: `quic/${at}:${front.address().port}`, cut: (way) => set(false, way), heal: (way) => set(true, way) };
}

/**
 * A TCP proxy as a load balancer: each new connection goes to the port that `choose()` answers, now; nothing to
 * answer is a refused connection.
 */
export async function tcpProxy(t, choose) {
  const open = new Set();
  const server = net.createServer((front) => {
    const port = choose();
    open.add(front);
    front.on("close", () => open.delete(front));
    front.on("error", () => front.destroy());
    if (!port) return void front.destroy();
    const back = net.connect(port, "127.0.0.1");
    back.on("error", () => front.destroy());
    front.on("error", () => back.destroy());
    front.on("close", () => back.destroy());
    back.on("close", () => front.destroy());
    front.pipe(back);
    back.pipe(front);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cutAll = () => open.forEach((front) => front.destroy());
  t.after(() => {
    cutAll();
    server.close();
  });
  return { port: server.address().port, cutAll };
}
