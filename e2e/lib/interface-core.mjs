// Calls of each part of the public interface of `@anycable/core`, over a node. Each answers whether that part works.
import { Cable, Channel, JSONEncoder, Monitor, WebSocketTransport, createConsumer } from "@anycable/core";
import WebSocket from "ws";
import { cable, heard, knownSince, publish, signed } from "./stock.mjs";
import { pause, until } from "./until.mjs";

const stream = "chat/1";
const given = (condition) => until("it works", condition).then(() => true, () => false);
/** For what the server has no answer to: whether one comes in a time that is long on one machine. */
const ever = (condition) => until("an answer", condition, { within: 1_000 }).then(() => true, () => false);
const accepted = (promise) => promise.then(() => true, () => false);

/** A channel of a class of its own, as applications write them. */
class StreamChannel extends Channel {
  static identifier = "$pubsub";
}

/** `token(seconds)` makes a token of the room. */
export function coreCalls(t, node, { room, token }) {
  const open = (options) => cable(t, node, options);
  const program = (options) => open({ origin: null, ...options });
  const listening = async (made = open(), channel = made.streamFrom(stream)) => {
    const all = heard(channel);
    await channel.ensureSubscribed();
    return { made, channel, all };
  };
  const hears = async (made, channel) => {
    const [{ all }, id] = [await listening(made, channel), Math.random()];
    await publish(node, stream, { id });
    return given(() => all.messages.some((message) => message.id === id));
  };
  /** A channel that gets no history: what it hears is an answer. */
  const bare = () => {
    const made = open({ protocol: "actioncable-v1-json" });
    return listening(made, made.subscribe(new StreamChannel({ stream_name: stream })));
  };
  const connects = (options, made = program({ token: token(60), ...options })) => accepted(made.connect());
  const by = (websocketAuthStrategy) => connects({ websocketAuthStrategy });
  const socketUrl = `ws://127.0.0.1:${node.port}/cable`;
  const origin = { websocketImplementation: WebSocket, websocketOptions: { origin: `http://127.0.0.1:${node.port}` } };
  const cut = (made) => made.sockets.at(-1).terminate();

  const options = {
    "auth.token": () => by("param"),
    "auth.param": async () => connects({ token: undefined, auth: { token: token(60), param: "ticket" } }),
    "websocketAuthStrategy: param": () => by("param"),
    "websocketAuthStrategy: header": () => by("header"),
    "websocketAuthStrategy: sub-protocol": () => by("sub-protocol"),
    tokenRefresher: async () => {
      const made = program({ token: token(-5), tokenRefresher: async (transport) => transport.setToken(token(60)) });
      made.connect().catch(() => {});
      return given(() => made.state === "connected");
    },
    transportConfigurator: () => connects({ token: undefined, transportConfigurator: async (transport) => transport.setToken(token(60)) }),
    "protocol: actioncable-v1-json": () => hears(open({ protocol: "actioncable-v1-json" })),
    "protocol: actioncable-v1-ext-json": () => hears(open()),
    "protocol: actioncable-v1-ext-msgpack": () => connects({ protocol: "actioncable-v1-ext-msgpack", encoder: new JSONEncoder(), monitor: false }),
    "protocol: actioncable-v1-ext-protobuf": () => connects({ protocol: "actioncable-v1-ext-protobuf", encoder: new JSONEncoder(), monitor: false }),
    "protocolOptions.pongs": () => hears(open({ protocolOptions: { pongs: true } })),
    "protocolOptions.disableSessionRecovery": async () => {
      const { made, all } = await listening(open({ protocolOptions: { disableSessionRecovery: true } }));
      cut(made);
      return given(() => all.connects.at(-1).reconnect && !all.connects.at(-1).restored);
    },
    historyTimestamp: async () => {
      const since = await knownSince(t, [node]);
      await publish(node, stream, { early: 1 });
      const { all } = await listening(open({ historyTimestamp: since }));
      return given(() => all.infos.includes("history_received") && all.messages.length > 0);
    },
    lazy: () => given(((made) => () => made.state === "connected")(open({ lazy: false }))),
    concurrentSubscribes: () => hears(open({ concurrentSubscribes: true })),
    transport: () => connects({}, open({ transport: new WebSocketTransport(socketUrl, { ...origin, subprotocol: "actioncable-v1-ext-json" }) })),
    // What AnyCable serves for it: long polling and server-sent events.
    fallbacks: async () => (await Promise.all([node.get("/lp", { method: "POST" }), node.get("/events")])).some(({ status }) => status === 200),
    reconnectStrategy: async () => {
      const { made, all } = await listening();
      cut(made);
      return given(() => all.connects.at(-1).restored);
    },
    pingInterval: async () => {
      // It gives up a connection after two intervals without a sign.
      const { made } = await listening(open({ monitor: new Monitor({ pingInterval: 3_500, maxMissingPings: 1, reconnectStrategy: () => 10 }) }));
      await pause(5_000);
      return made.sockets.length === 1;
    },
  };

  const ofCable = {
    connect: () => connects({ token: undefined }, open()),
    disconnect: async () => {
      const { made } = await listening();
      made.disconnect();
      return given(() => made.state === "closed" && made.sockets.at(-1)?.readyState === WebSocket.CLOSED);
    },
    state: async () => (await listening()).made.state === "connected",
    sessionId: async () => (await listening()).made.sessionId.length > 20,
    on: async () => {
      const made = open();
      const seen = [];
      made.on("connect", () => seen.push("connect"));
      made.on("keepalive", () => seen.push("keepalive"));
      await made.connect();
      return given(() => seen.includes("connect") && seen.includes("keepalive"));
    },
    once: async () => {
      const made = open();
      const closed = new Promise((resolve) => made.once("close", resolve));
      await made.connect();
      made.disconnect();
      return accepted(closed);
    },
    subscribe: async () => {
      const made = open();
      return hears(made, made.subscribe(new StreamChannel({ stream_name: stream })));
    },
    unsubscribe: async () => {
      const { made, channel, all } = await listening();
      made.unsubscribe(channel);
      await publish(node, stream, { late: 1 });
      return channel.state === "closed" && !(await ever(() => all.messages.some(({ late }) => late)));
    },
    "subscribeTo($pubsub)": async () => {
      const made = open();
      return hears(made, made.subscribeTo("$pubsub", { stream_name: stream }));
    },
    "subscribeTo(Turbo::StreamsChannel)": async () => {
      const made = open();
      return hears(made, made.subscribeTo("Turbo::StreamsChannel", { signed_stream_name: await signed(stream) }));
    },
    "subscribeTo(another channel)": () => accepted(open({ logLevel: "none" }).subscribeTo("ChatChannel").ensureSubscribed()),
    streamFrom: async () => {
      const made = program({ token: token(60) });
      const { all } = await listening(made, made.streamFrom(room));
      await publish(node, room, 1);
      return given(() => all.messages.length === 1);
    },
    streamFromSigned: async () => {
      const made = open();
      return hears(made, made.streamFromSigned(await signed(stream)));
    },
    perform: async () => {
      const { made, channel, all } = await bare();
      await made.perform(channel.identifier, "echo", { a: 1 });
      return ever(() => all.messages.length > 0);
    },
    send: async () => {
      const { made, channel } = await listening();
      const other = await listening();
      made.send({ command: "whisper", identifier: channel.identifier, data: 1 });
      return given(() => other.all.messages.length > 0);
    },
  };

  const ofChannel = {
    ensureSubscribed: () => accepted(open().streamFrom(stream).ensureSubscribed()),
    state: async () => (await listening()).channel.state === "connected",
    disconnect: async () => {
      const { channel } = await listening();
      channel.disconnect();
      return channel.state === "closed";
    },
    perform: async () => {
      const { channel, all } = await bare();
      await channel.perform("echo", { a: 1 });
      return ever(() => all.messages.length > 0);
    },
    send: async () => {
      const { channel, all } = await bare();
      await channel.send({ a: 1 });
      return ever(() => all.messages.length > 0);
    },
    whisper: async () => {
      const [{ channel }, other] = [await listening(), await listening()];
      await channel.whisper({ typing: true });
      return given(() => other.all.messages.some(({ typing }) => typing));
    },
    "on(message)": () => hears(),
    "on(connect)": async () => (await listening()).all.connects.length === 1,
    "on(disconnect)": async () => {
      const { made, channel } = await listening(open({ protocol: "actioncable-v1-json" }));
      const lost = new Promise((resolve) => channel.on("disconnect", resolve));
      cut(made);
      return accepted(lost);
    },
    "on(close)": async () => {
      const channel = open({ logLevel: "none" }).streamFrom("not/public");
      const closed = new Promise((resolve) => channel.on("close", resolve));
      channel.ensureSubscribed().catch(() => {});
      return (await closed).name === "SubscriptionRejectedError";
    },
    "on(info)": options.historyTimestamp,
    "on(presence)": async () => {
      const { channel, all } = await listening();
      await channel.presence.join("ann", { name: "Ann" });
      return given(() => all.presence.some(({ type, id }) => type === "join" && id.endsWith(":ann")));
    },
    "presence.join": async () => {
      const { channel } = await listening();
      await channel.presence.join("bob", { name: "Bob" });
      return given(async () => (await node.counts(`_public/${stream}`)).users > 0);
    },
    "presence.leave": async () => {
      const { channel, all } = await listening();
      await channel.presence.join("cy", {});
      await given(() => all.presence.some(({ id }) => id?.endsWith(":cy")));
      await channel.presence.leave();
      return given(() => all.presence.some(({ type, id }) => type === "leave" && id.endsWith(":cy")));
    },
    "presence.info": async () => {
      const { channel, all } = await listening();
      await channel.presence.join("dan", { name: "Dan" });
      await given(() => all.presence.some(({ id }) => id?.endsWith(":dan")));
      return Object.values(await channel.presence.info()).some(({ name }) => name === "Dan");
    },
    "presence.info on a Turbo subscription": async () => {
      const made = open();
      const { channel } = await listening(made, made.subscribeTo("Turbo::StreamsChannel", { signed_stream_name: await signed("list/7") }));
      return JSON.stringify(await channel.presence.info()) === "{}";
    },
    "presence.join on a Turbo subscription": async () => {
      const made = open();
      const { channel } = await listening(made, made.subscribeTo("Turbo::StreamsChannel", { signed_stream_name: await signed("list/7") }));
      await channel.presence.join("ann", {});
      return ever(async () => (await node.counts("list/7")).users > 0);
    },
    "presence over actioncable-v1-json": async () => {
      const made = open({ protocol: "actioncable-v1-json" });
      const { channel } = await listening(made, made.streamFrom("chat/2"));
      await channel.presence.join("eve", {});
      return ever(async () => (await node.counts("_public/chat/2")).users > 0);
    },
  };

  const ofConsumer = async (use) => {
    const consumer = createConsumer(socketUrl, { ...origin, protocol: "actioncable-v1-json", logLevel: "none" });
    t.after(() => consumer.disconnect());
    const seen = [];
    const names = ["initialized", "connected", "disconnected", "rejected", "received"];
    const callbacks = Object.fromEntries(names.map((name) => [name, () => seen.push(name)]));
    const make = (params) => consumer.subscriptions.create(params, callbacks);
    return use({ consumer, make, saw: (name) => given(() => seen.includes(name)), ever: (name) => ever(() => seen.includes(name)) });
  };
  const pubsub = () => ({ channel: "$pubsub", stream_name: stream });
  const live = (use) => () => ofConsumer(async (made) => {
    const subscription = made.make(pubsub());
    return (await made.saw("connected")) && use({ ...made, subscription });
  });
  const consumer = {
    connect: () => ofConsumer((made) => accepted(made.consumer.connect())),
    disconnect: live(({ consumer, saw }) => (consumer.disconnect(), saw("disconnected"))),
    ensureActiveConnection: () => ofConsumer((made) => accepted(made.consumer.ensureActiveConnection())),
    "subscriptions.create": live(async ({ saw }) => (await publish(node, stream, 1), saw("received"))),
    "subscriptions.findAll": live(({ consumer, subscription }) => consumer.subscriptions.findAll(subscription.identifier).includes(subscription)),
    rejected: () => ofConsumer(({ make, saw }) => (make({ channel: "ChatChannel" }), saw("rejected"))),
    "subscription.perform": live(({ subscription, ever }) => (subscription.perform("echo", { a: 1 }), ever("received"))),
    "subscription.send": live(({ subscription, ever }) => (Promise.resolve(subscription.send({ a: 1 })).catch(() => {}), ever("received"))),
    "subscription.whisper": live(async ({ subscription }) => {
      const other = await listening();
      await subscription.whisper({ typing: true });
      return given(() => other.all.messages.length > 0);
    }),
    "subscription.unsubscribe": live(({ subscription, saw }) => (subscription.unsubscribe(), saw("disconnected"))),
  };
  return { options, cable: ofCable, channel: ofChannel, consumer, classes: { Cable, Channel } };
}
