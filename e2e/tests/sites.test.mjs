// Pages of other sites in two regions, and the tokens that the command line signs for them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { promisify } from "node:util";
import { test } from "node:test";
import { environment } from "../lib/environment.mjs";
import { mesh, secret } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { embeddedPage } from "../lib/sockets.mjs";
import { until } from "../lib/until.mjs";

const shop = "https://shop.example";

/** The output of the program with these arguments, or its failure. */
async function printed(words, env = { GP_SECRET: secret }) {
  return promisify(execFile)(program, words, { env: environment(env) });
}

const sign = async (...words) => (await printed(["sign", ...words, "--site", shop])).stdout.trim();

const page = (t, node, room, token) => embeddedPage(t, node, shop, room, token);
const counts = (page) => page.last("counts") ?? {};
const shows = (page, users, tabs) => () => counts(page).users === users && counts(page).tabs === tabs;

test("a signed user on a device in each region counts once, and a visitor without a token is another user", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"], { args: ["--site", shop] });
  const token = await sign("private/orders/7", "--user", "42", "--info", '{"name":"Ada"}');
  const here = await page(t, ams, "private/orders/7", token);
  const there = await page(t, iad, "private/orders/7", token);
  await until("one user with two tabs", shows(here, 1, 2));
  await until("in the other region, too", shows(there, 1, 2));
  assert.deepEqual(counts(here).regions.map(({ region, users, state }) => [region, users, state]), [["ams", 1, "live"], ["iad", 1, "live"]]);

  const stranger = await page(t, iad, "private/orders/7");
  await until("a stranger is refused", () => stranger.last("error")?.status === 403);
  const open = await page(t, ams, "lamp");
  const openToo = await page(t, iad, "lamp");
  await until("two strangers are two", shows(open, 2, 2));
  openToo.socket.close();
  await until("one has left", shows(open, 1, 1));
  assert.equal(counts(here).users, 1, "the private room is a room of its own");
});

test("what the command line prints is what the documents say", async () => {
  const token = await sign("private/orders/7", "--expires", "2h", "--user", "42");
  const [payload, signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  assert.equal(claims.room, "shop.example/private/orders/7");
  assert.equal(claims.user, "42");
  assert.ok(Math.abs(claims.exp - Date.now() / 1000 - 7_200) < 60, "two hours from now");
  const key = (await printed(["key", "--site", shop])).stdout.trim();
  assert.equal(createHmac("sha256", key).update(payload).digest("hex"), signature);

  const changing = { GP_SECRET: `${secret}, a new one`, GP_SECRET_ACCEPTED: secret };
  const next = await printed(["key", "--site", shop], changing);
  assert.notEqual(next.stdout.trim(), key);
  assert.match(next.stderr, /GP_SECRET_ACCEPTED/);
  assert.equal((await printed(["sign", "x", "--site", shop], changing)).stdout.trim().length > 64, true);
});

test("a mistake is one line that says what to write instead", async () => {
  for (const [words, env, sentence] of [
    [["key", "--site", shop], {}, /GP_SECRET/],
    [["key", "--site", shop], { GP_SECRET: "short" }, /at least 32/],
    [["key", "--site", "shop.example"], undefined, /https:\/\/shop\.example/],
    [["key", "--site", "*"], undefined, /every origin has its own key/],
    [["sign", "x", "--site", "https://*.shop.example"], undefined, /write the room with its host/],
    [["sign", "x", "--site", shop, "--info", "{"], undefined, /--info must be JSON/],
    [["sign", "x", "--site", shop, "--expires", "soon"], undefined, /1h/],
  ]) {
    const { code, stdout, stderr } = await printed(words, env).then(() => assert.fail(words.join(" ")), (error) => error);
    assert.equal(code, 1, words.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, sentence);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});
