// The metrics of a node, each series by its name and labels.
import { apiKey } from "./node.mjs";
import { request } from "./http.mjs";

/** All series of a text of metrics: `presence_sockets{protocol="presence-v1"}` → its number. */
export function seriesOf(text) {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const end = line.lastIndexOf(" ");
    return [line.slice(0, end), Number(line.slice(end + 1))];
  }));
}

/** The series of a node now, from its own port for metrics if it has one. */
export async function series(node) {
  const { metricsPort: port } = node;
  const { status, body } = await (port ? request(port, "/metrics") : node.get("/metrics", { headers: { authorization: `Bearer ${apiKey}` } }));
  if (status !== 200) throw new Error(`/metrics: ${status} ${body}`);
  return seriesOf(body);
}
