#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: a C compiler, Chromium, Firefox, WebKit, Node.js, Ruby, PHP, valgrind, the
# npm packages of e2e/ and of its folders frameworks/, lighthouse/ and package/, Prometheus, NATS, nginx, HAProxy, Caddy, Python,
# the packages that the API is fuzzed with and the files of deploy/ are checked with, Django, and cargo-deny.
# `prepare.sh compiler` installs only what building needs.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
# Debian's servers are not in the path of every user.
PATH="$PATH:/usr/sbin"
need() { command -v "$1" >/dev/null || packages+=("${@:2}"); }
need cc build-essential
need node nodejs
need npm npm
if [ "${1:-}" != compiler ]; then
    need chromium chromium
    need firefox-esr firefox-esr
    # WebKit draws on a display that no one sees.
    need WebKitWebDriver webkit2gtk-driver
    need Xvfb xvfb
    need unshare util-linux
    need ip iproute2
    # Two of the languages whose signers docs/signing.md shows; the others are Node.js and Python.
    need ruby ruby
    need php php-cli
    need curl curl
    need openssl openssl
    # Scrapes nodes and tries the alerts.
    need promtool prometheus
    # Links nodes instead of links of their own.
    need nats-server nats-server
    # The proxies whose files are in deploy/.
    need nginx nginx
    need haproxy haproxy
    need caddy caddy
    # The units of systemd, and a wrong clock.
    need systemd-analyze systemd
    need faketime faketime
    # Counts instructions, so that costs do not grow unnoticed.
    need valgrind valgrind
    need python3 python3 python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
fi

if [ ${#packages[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    if ! command -v apt-get >/dev/null; then
        echo "Please install these programs, then try again (this machine has no apt-get): ${packages[*]}" >&2
        exit 1
    fi
    echo "Installing ${packages[*]}"
    "${as_root[@]}" apt-get update -q
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "${packages[@]}"
fi

if ! command -v cargo >/dev/null; then
    echo "Please install Rust with rustup; rust-toolchain.toml names the version." >&2
    exit 1
fi
# The versions that Vite runs on.
if ! node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'; then
    echo "Node.js $(node --version) is too old: the browser tests need version 20.19 or 22.12, or newer." >&2
    exit 1
fi
if [ "${1:-}" = compiler ]; then exit 0; fi

# Only if the lock file has changed since the last time.
for folder in e2e e2e/frameworks e2e/lighthouse e2e/package; do
    if [ ! -d "$folder/node_modules" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules/.package-lock.json" ]; then
        (cd "$folder" && npm ci --ignore-scripts)
        touch "$folder/node_modules/.package-lock.json"
    fi
done

# The same for Python: a copy of the requirements in its folder tells what is installed.
python_tools() {
    local folder="${CARGO_TARGET_DIR:-target}/$1"
    if ! cmp -s "$2" "$folder/requirements.txt"; then
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
        cp "$2" "$folder/requirements.txt"
    fi
}
python_tools fuzz e2e/fuzz/requirements.txt
python_tools recipes e2e/recipes/requirements.txt
python_tools deploy e2e/deploy/requirements.txt
python_tools deny scripts/requirements.txt
