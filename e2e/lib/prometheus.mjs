// A Prometheus of Debian's that scrapes nodes each second and evaluates the shipped alerts.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fasterRules } from "./alerts.mjs";
import { folder } from "./node.mjs";
import { root } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

/** Has a node that is not started yet serve its metrics on a port of their own. */
export async function measured(node) {
  node.metricsPort = await freePort();
  node.options.args = [...(node.options.args ?? []), "--metrics-listen", `127.0.0.1:${node.metricsPort}`];
  return node;
}

/** Starts a Prometheus for these nodes, each of which has a `metricsPort`. */
export async function prometheus(t, nodes) {
  const [path, port] = [folder(t), await freePort()];
  writeFileSync(join(path, "rules.yml"), fasterRules());
  const shipped = readFileSync(join(root, "deploy/prometheus/prometheus.yml"), "utf8");
  const targets = JSON.stringify(nodes.map(({ metricsPort }) => `127.0.0.1:${metricsPort}`));
  // Nothing is sent: there is no Alertmanager.
  const config = shipped.replaceAll("15s", "1s").replace(/^alerting:\n(?: .*\n)+/m, "").replace(/targets: .*/, `targets: ${targets}`);
  writeFileSync(join(path, "prometheus.yml"), config);
  const child = spawn("prometheus", [
    `--config.file=${join(path, "prometheus.yml")}`, `--storage.tsdb.path=${join(path, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn",
  ], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding("utf8").on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.on("close", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const ask = async (path) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).data;
  };
  const server = {
    /** The series of a query, now. */
    query: async (query) => (await ask(`/api/v1/query?query=${encodeURIComponent(query)}`)).result,
    /** The alerts that fire, by name, with the instances that they name. */
    async firing() {
      const { alerts } = await ask("/api/v1/alerts");
      return alerts.filter(({ state }) => state === "firing").map(({ labels }) => ({ name: labels.alertname, instance: labels.instance }));
    },
    /** Resolves once all alerts were evaluated with a scrape of this node, or of all that answer, from after this call. */
    async untilEvaluated(node) {
      const [since, of] = [Date.now() / 1_000, node ? `{instance="127.0.0.1:${node.metricsPort}"}` : ""];
      const scraped = await until("it is scraped", async () => {
        const [oldest] = await server.query(`min(timestamp(up${of} == 1)) > ${since}`);
        return oldest && Number(oldest.value[1]) * 1_000;
      }, { every: 200 });
      await until("the alerts are evaluated", async () => (await ask("/api/v1/rules")).groups.every(({ lastEvaluation }) => Date.parse(lastEvaluation) > scraped), { every: 200 });
    },
    /** Whether this alert fires, of this node if one is given. */
    async fires(name, node) {
      const instance = node && `127.0.0.1:${node.metricsPort}`;
      return (await this.firing()).some((alert) => alert.name === name && (!instance || alert.instance === instance));
    },
    async untilFires(name, node, { within = 40_000 } = {}) {
      await until(`${name} fires`, () => this.fires(name, node), { within, every: 200 });
    },
    async untilClears(name, node, { within = 40_000 } = {}) {
      await until(`${name} clears`, async () => !(await this.fires(name, node)), { within, every: 200 });
    },
  };
  await until("Prometheus has scraped all nodes", async () => {
    const up = await server.query("up == 1").catch(() => []);
    return up.length === nodes.length;
  }, { within: 30_000, every: 200 }).catch((error) => {
    throw new Error(`${error.message}\n${said}`);
  });
  return server;
}
