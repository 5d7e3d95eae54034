// What `nsc` makes for an operator of NATS: keys, and tokens signed with the key of their issuer. https://docs.nats.io/using-nats/developer/connecting/creds
import { createHash, generateKeyPairSync, sign } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const PREFIX = { operator: 14 << 3, account: 0, user: 20 << 3, seed: 18 << 3 };

function base32(bytes) {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  return bits.match(/.{1,5}/g).map((five) => ALPHABET[parseInt(five.padEnd(5, "0"), 2)]).join("");
}

/** CRC-16 of XMODEM, which ends each key. */
function withSum(bytes) {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff;
  }
  return base32(Buffer.concat([bytes, Buffer.from([sum & 0xff, sum >> 8])]));
}

/** An nkey of a kind (operator, account, user): its public form, its seed, and what signs with it. */
export function nkey(kind) {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { x, d } = privateKey.export({ format: "jwk" });
  const prefix = PREFIX[kind];
  return {
    public: withSum(Buffer.concat([Buffer.from([prefix]), Buffer.from(x, "base64url")])),
    seed: withSum(Buffer.concat([Buffer.from([PREFIX.seed | (prefix >> 5), (prefix & 31) << 3]), Buffer.from(d, "base64url")])),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url"),
  };
}

/** A token in which the owner of `issuer` says something of a key. */
function token(issuer, subject, name, nats) {
  const claims = { iat: Math.floor(Date.now() / 1_000), iss: issuer.public, name, sub: subject.public, nats: { ...nats, version: 2 } };
  const jti = base32(createHash("sha512-256").update(JSON.stringify(claims)).digest());
  const text = [{ typ: "JWT", alg: "ed25519-nkey" }, { jti, ...claims }].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${issuer.sign(text)}`;
}

/** An operator with one account; `config` are lines of a server that trusts it. */
export class NatsOperator {
  constructor() {
    this.key = nkey("operator");
    this.account = nkey("account");
    this.revocations = {};
    this.token = token(this.key, this.key, "operator", { type: "operator" });
  }

  get config() {
    return [
      `operator: "${this.token}"`,
      "resolver: MEMORY",
      `resolver_preload: { ${this.account.public}: "${this.accountToken()}" }`,
    ];
  }

  accountToken() {
    const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    return token(this.key, this.account, "presence", { type: "account", limits: unlimited, revocations: this.revocations });
  }

  /** A new user: its key, and the text of its file of credentials. */
  user(name, account = this.account) {
    const user = nkey("user");
    const text = token(account, user, name, { type: "user", subs: -1, data: -1, payload: -1 });
    return { ...user, credentials: `-----BEGIN NATS USER JWT-----\n${text}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${user.seed}\n------END USER NKEY SEED------\n` };
  }

  /** From now on what the account said of this user before does not count. */
  revoke(user) {
    this.revocations[user.public] = Math.floor(Date.now() / 1_000);
  }
}
