"""Does what systemd does for a service with a socket unit and Type=notify, for tests: listens, hands the socket over, starts the
program, starts it again when it has ended, and reads its environment from a file before each start.

    service_manager.py FOLDER HOST:PORT PROGRAM [ARGUMENT...]

FOLDER has `env` if there is one, and gets `log` (of the program), `reports` (a line of JSON for each event) and `control`, a
socket that takes one of start, stop, restart, reload, status, and answers when that is done.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import threading

folder, address, *command = sys.argv[1:]
host, port = address.rsplit(":", 1)
changed = threading.Condition()
listener = child = None
wanted = True
ready = 0
reports = open(os.path.join(folder, "reports"), "a", buffering=1)
log = open(os.path.join(folder, "log"), "a")


def unix_socket(name, kind):
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(os.path.join(folder, name))
    return made


def report(**what):
    reports.write(json.dumps(what) + "\n")


def options():
    file = os.path.join(folder, "env")
    lines = open(file).read().splitlines() if os.path.exists(file) else []
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}


def hear(notified):
    global ready
    while True:
        said = notified.recv(4096).decode().strip()
        with changed:
            report(said=said)
            ready += said == "READY=1"
            changed.notify_all()


def run():
    global child, listener
    while True:
        with changed:
            changed.wait_for(lambda: wanted)
            listener = listener or socket.create_server((host, int(port)), backlog=4096)
            environment = {**os.environ, **options(), "NOTIFY_SOCKET": os.path.join(folder, "notify")}
            child = subprocess.Popen(command, env=environment, stdin=listener, stdout=log, stderr=log)
            report(started=child.pid)
        status = child.wait()
        with changed:
            report(ended=status)
            child = None
            changed.notify_all()


def end_child():
    # As systemd does, so that one that is frozen ends, too.
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGCONT)


def obey(word):
    global wanted, listener
    before, running = ready, child
    if word == "stop":
        wanted = False
        if child:
            end_child()
        changed.wait_for(lambda: child is None)
        if listener:
            listener.close()
            listener = None
    elif word in ("start", "restart"):
        wanted = True
        changed.notify_all()
        if running and word == "start":
            return "active"
        if running:
            end_child()
        changed.wait_for(lambda: ready > before, timeout=30)
    elif word == "reload":
        child.send_signal(signal.SIGHUP)
    return f"active {child.pid}" if child else "inactive"


notified, control = unix_socket("notify", socket.SOCK_DGRAM), unix_socket("control", socket.SOCK_STREAM)
control.listen()
for task in (lambda: hear(notified), run):
    threading.Thread(target=task, daemon=True).start()


def end():
    sys.stdin.read()
    if child:
        child.kill()
    os._exit(0)


threading.Thread(target=end, daemon=True).start()
while True:
    asked, _ = control.accept()
    word = asked.recv(100).decode().strip()
    with changed:
        answer = obey(word)
    try:
        asked.sendall(answer.encode())
    except OSError:
        pass
    asked.close()
