// Networks between two nodes, or between browsers and nodes, that a test can cut.
import dgram from "node:dgram";
import net from "node:net";

/** How long a packet may wait in a relay that lets few bytes a second through. */
const QUEUED_MS = 2_000;

/**
 * A UDP relay, `at` one address, to `port` of another: what is sent to `relay.port` goes there, answers come back.
 * `cut` and `heal` one way ("there", "back") or both; `slow` delays every packet, or lets at most that many bytes a second through
 * each way, until it is healed. With `only`, packets from other addresses than that are lost.
 */
export async function udpRelay(t, port, { listen = 0, at = "127.0.0.1", address = "127.0.0.1", only } = {}) {
  const open = { there: true, back: true };
  const links = new Map();
  let [slowed, closed] = [{}, false];
  let free = { there: 0, back: 0 };
  const pass = (way, packet, send) => {
    if (!open[way]) return;
    const { delay = 0, bytesPerSecond } = slowed;
    if (!delay && !bytesPerSecond) return void send();
    const now = performance.now();
    const begins = Math.max(now, free[way]);
    if (begins - now > QUEUED_MS) return;
    if (bytesPerSecond) free[way] = begins + (packet.length / bytesPerSecond) * 1_000;
    setTimeout(send, begins - now + delay);
  };
  const front = dgram.createSocket("udp4");
  front.on("error", () => {});
  front.on("message", (packet, from) => {
    if (only && from.address !== only) return;
    const key = `${from.address}:${from.port}`;
    let link = links.get(key);
    if (!link) {
      link = dgram.createSocket("udp4");
      link.on("error", () => {});
      link.on("message", (answer) => pass("back", answer, () => closed || front.send(answer, from.port, from.address, () => {})));
      links.set(key, link);
    }
    pass("there", packet, () => closed || link.send(packet, port, address, () => {}));
  });
  await new Promise((resolve) => front.bind(listen, at, resolve));
  t.after(() => {
    closed = true;
    front.close();
    for (const link of links.values()) link.close();
  });
  const set = (value, way) => {
    for (const each of way ? [way] : ["there", "back"]) open[each] = value;
  };
  return {
    port: front.address().port, address: `quic/${at}:${front.address().port}`, cut: (way) => set(false, way), slow: (to) => (slowed = to),
    heal(way) {
      [slowed, free] = [{}, { there: 0, back: 0 }];
      set(true, way);
    },
  };
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
