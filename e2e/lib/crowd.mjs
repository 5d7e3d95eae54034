// Thousands of embedded pages on raw connections, at the cost of a socket each.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

const MASK = Buffer.alloc(4);

/** A text frame as a browser sends it; its mask is zero, which changes nothing for the server. */
function framed(message) {
  const payload = Buffer.from(JSON.stringify(message));
  const header = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([header, MASK, payload]);
}

/** One page of a site, in one room at most. `bytes` counts what it received since it was last set to 0. */
export class Embed {
  static async open(node, origin) {
    const embed = new Embed();
    embed.rest = Buffer.alloc(0);
    embed.bytes = 0;
    embed.socket = connect(node.port, "127.0.0.1");
    embed.socket.setNoDelay(true);
    embed.socket.on("error", (error) => (embed.failure = error));
    embed.socket.on("close", () => (embed.closed = true));
    await new Promise((resolve, reject) => {
      embed.socket.on("close", () => reject(embed.failure ?? new Error("closed before it was open")));
      embed.opened = resolve;
      embed.socket.on("data", (data) => embed.take(data));
      embed.socket.write(
        `GET /presence HTTP/1.1\r\nhost: localhost:${node.port}\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
          `sec-websocket-version: 13\r\nsec-websocket-protocol: presence-v1\r\norigin: ${origin}\r\n` +
          `sec-websocket-key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
      );
    });
    embed.say({ type: "hello", visible: true });
    return embed;
  }

  say(message) {
    this.socket.write(framed(message));
  }

  take(data) {
    this.rest = this.rest.length === 0 ? data : Buffer.concat([this.rest, data]);
    if (this.opened) {
      const end = this.rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!this.rest.subarray(0, end).toString().startsWith("HTTP/1.1 101")) {
        this.failure = new Error(this.rest.toString());
        return void this.socket.destroy();
      }
      this.rest = this.rest.subarray(end + 4);
      this.opened();
      this.opened = undefined;
    } else {
      this.bytes += data.length;
    }
    while (this.frame());
  }

  /** Handles one received frame; false while it is incomplete. */
  frame() {
    if (this.rest.length < 2) return false;
    const opcode = this.rest[0] & 15;
    let [length, begin] = [this.rest[1] & 127, 2];
    if (length === 126) {
      if (this.rest.length < 4) return false;
      [length, begin] = [this.rest.readUInt16BE(2), 4];
    }
    if (this.rest.length < begin + length) return false;
    const payload = this.rest.subarray(begin, begin + length);
    if (opcode === 9) this.socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | length]), MASK, payload]));
    if (opcode === 1 && this.watches) {
      const message = JSON.parse(payload.toString());
      if (message.type === "counts") this.counts = message;
      if (message.type === "error") this.failure = new Error(message.detail);
    }
    this.rest = this.rest.subarray(begin + length);
    return true;
  }

  end() {
    this.socket.destroy();
  }
}
