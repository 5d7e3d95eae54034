// docs/configuration.md, made from `--help`; run as a program it writes the file.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { environment } from "./environment.mjs";
import { program, root } from "./paths.mjs";

const file = join(root, "docs/configuration.md");

function help(...command) {
  const { COLUMNS: _, ...env } = environment();
  return execFileSync(program, [...command, "--help"], { encoding: "utf8", env }).replaceAll(/[ \t]+$/gm, "").trim();
}

export function generated() {
  return `# Configuration

<!-- Made from --help by \`make docs\`; a test fails when it is stale. -->

Every option has an environment variable; lists in variables are separated by commas. If an option is wrong, the program
exits with one line that says what to write instead. Secrets can be set only in the environment, because every user of the
machine can read a command line:

| Variable | Meaning |
|---|---|
| \`GP_SECRET\` | at least 32 bytes, the same on every node. A single node does not need it: it makes a secret at its first start and keeps it in the data directory, or, without one, makes a new secret at every start. A node with a mesh refuses to start without it |
| \`GP_SECRET_ACCEPTED\` | a second secret, while the secret is being changed in [three rounds](operating/secrets.md). It signs nothing; what it has signed is accepted, too |
| \`GP_USER_SECRET\` | what ids of users who sign in are made from [default: \`GP_SECRET\`]. Once the secret was changed: the first one, so that they stay the same users |
| \`GP_API_KEY\` | at least 16 bytes: the key for all of \`/api/v1\`, sent as \`Authorization: Bearer\`: listing members, publishing, removing users and facts, seeing nodes. If it is not set, these requests are refused |
| \`GP_API_KEY_ACCEPTED\` | a second key that does the same, while the key is being changed |
| \`GP_WEBHOOK_SECRET\` | the key that signs webhooks: \`whsec_\` and 24 to 64 bytes in Base64, the same on every node. While it is being changed: both keys, the new one first, separated by a space |
| \`GP_OTLP_HEADERS\` | headers for the collector of traces, such as a key: \`authorization=Bearer%20KEY\`. Several are separated by commas. Default: \`$OTEL_EXPORTER_OTLP_HEADERS\` |

| Signal | Does |
|---|---|
| SIGTERM, SIGINT, SIGQUIT | drain the node: it closes its sockets, says goodbye to the other nodes and writes its last facts. A second one ends it at once, with status 1 |
| SIGHUP | reads the files again that can change while the node runs, see below |
| SIGUSR1, SIGUSR2, SIGALRM | are logged and ignored |

A node reads these files again at SIGHUP, and within a minute of a change without it. If one is broken, what it held before stays
in use, and the log says why. All other options and secrets need a restart:

| Files | Once they are read again |
|---|---|
| \`--tls-cert\`, \`--tls-key\` | new connections of browsers use them |
| \`--mesh-ca\`, \`--mesh-cert\`, \`--mesh-key\` | new links use them; links that are open stay. To change the authority, first put both authorities into \`--mesh-ca\` of all nodes |
| \`--api-keys-file\` | requests are compared with the keys that it has now |
| \`--log-filter-file\` | the log uses this filter. \`echo debug > FILE\` and SIGHUP show more; an empty file stands for \`--log\` |

The exit status is 0 after a complete drain. It is 1, and the last line says why, if facts could not be written to disk, if the
drain took too long, or if a part of the node (a thread or a task that must run) has ended.

## One node

\`\`\`text
${help()}
\`\`\`

## Six regions on one machine

\`\`\`text
${help("world")}
\`\`\`

## Tokens of a site

[signing.md](signing.md) says what tokens are for, and how a site makes them with its own code.

\`\`\`text
${help("sign")}
\`\`\`

\`\`\`text
${help("key")}
\`\`\`

## Names of streams

[clients.md](clients.md) says what signed names are for, and how a site signs them with its own code.

\`\`\`text
${help("sign-stream")}
\`\`\`

## Check a configuration, ask a node

\`check\` takes all options of a node, and reads the files that they name. It exits with 1 and one line if something is wrong.

\`\`\`sh
global-presence check --region ams --public-url https://example.org --data-dir /var/lib/presence
\`\`\`

\`\`\`text
${help("health")}
\`\`\`

\`\`\`text
${help("top")}
\`\`\`

## Facts of a node

[api.md](api.md#facts) says what facts are. All four commands work for a running node and for the data directory of a stopped one.

\`\`\`text
${help("facts", "list")}
\`\`\`

\`\`\`text
${help("facts", "delete")}
\`\`\`

\`\`\`text
${help("facts", "export")}
\`\`\`

\`\`\`text
${help("facts", "import")}
\`\`\`
`;
}

export function committed() {
  return readFileSync(file, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, generated());
