// docs/configuration.md, made from `--help`; run as a program it writes the file.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { program, root } from "./paths.mjs";

const file = join(root, "docs/configuration.md");

function help(...command) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GP|FLY)_|^COLUMNS$/.test(name)));
  return execFileSync(program, [...command, "--help"], { encoding: "utf8", env: clean }).replaceAll(/[ \t]+$/gm, "").trim();
}

export function generated() {
  return `# Configuration

<!-- Made from --help by \`make docs\`; a test fails when it is stale. -->

Every option has an environment variable; lists in variables are separated by commas. Mistakes end the start with one line
that says what to write instead. These are given by the environment only, since a command line can be read by every user of
the machine:

| Variable | Meaning |
|---|---|
| \`GP_SECRET\` | at least 32 bytes, the same on every node. A node alone may do without: one is made at the first start and kept in the data directory, or is random for this run. A node with a mesh refuses to start without it |
| \`GP_SECRET_PREVIOUS\` | while it is set, it still signs, and both are accepted: the first round of a change of secrets. Dropping it, node after node, is the second |
| \`GP_API_KEY\` | who sends it as \`Authorization: Bearer\` may do everything in \`/api/v1\`: list members, publish, make users leave, see nodes. Without it nobody may |
| \`GP_WEBHOOK_SECRET\` | what webhooks are signed with: \`whsec_\` and 24 to 64 bytes in Base64, the same on every node. Two with a space in between while it is being changed, the new one first |

SIGTERM and SIGINT drain; a clean drain ends with 0.

## One node

\`\`\`text
${help()}
\`\`\`

## Six regions on one machine

\`\`\`text
${help("world")}
\`\`\`

## Tokens of a site

What they are for, and how a site makes them itself: [signing](signing.md).

\`\`\`text
${help("sign")}
\`\`\`

\`\`\`text
${help("key")}
\`\`\`

## Names of streams

What they are for, and how a site signs them itself: [stock clients](clients.md).

\`\`\`text
${help("sign-stream")}
\`\`\`
`;
}

export function committed() {
  return readFileSync(file, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, generated());
