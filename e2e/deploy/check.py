"""Reads the files of deploy/ as those who will use them do, and checks them against published schemas. Prints what is wrong.

    check.py DEPLOY_FOLDER COMPOSE_SCHEMA
"""
import json
import re
import sys
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

deploy, compose_schema = Path(sys.argv[1]), Path(sys.argv[2])
mistakes = []


def wrong(file, what):
    mistakes.append(f"{file}: {what}")


def read_manifests(file, kind):
    """The specifications of a file, each by kind and name, and the container that runs the nodes."""
    manifests = list(yaml.safe_load_all((deploy / file).read_text()))
    for manifest in manifests:
        try:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            wrong(file, error)
    of = {(manifest["kind"], manifest["metadata"]["name"]): manifest["spec"] for manifest in manifests}
    container = of[kind, "presence"]["template"]["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    for (kind, name), spec in of.items():
        if kind == "Service" and not {port["targetPort"] for port in spec["ports"]} <= ports:
            wrong(file, f"{name} names a port that the container does not have")
    if not re.search(r'create secret.*GP_SECRET="\$GP_SECRET"', (deploy / file).read_text()):
        wrong(file, "each cluster would get other secrets")
    return of, container


of, container = read_manifests("kubernetes.yaml", "StatefulSet")
if of["StatefulSet", "presence"]["serviceName"] not in {name for kind, name in of if kind == "Service"}:
    wrong("kubernetes.yaml", "serviceName is no service")


def expanded(pod):
    """The options of a pod. As Kubernetes does, $(NAME) takes its value from the entries before it."""
    values = {}
    for entry in container["env"]:
        values[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda name: values[name[1]], entry.get("value", pod))
    return values


for number in range(of["StatefulSet", "presence"]["replicas"]):
    name = f"presence-{number}"
    pod = expanded(name)
    region = pod["GP_REGION"]
    if pod["GP_NODE"] != f"{region}-{name}":
        wrong("kubernetes.yaml", f"{pod['GP_NODE']} is not a name of {region} only")
    inside, outside = f"quic/{name}.presence-mesh:7447", f"quic/{name}.{region}.example.org:7447"
    if pod["GP_MESH_ADVERTISE"].split(",") != [inside, outside]:
        wrong("kubernetes.yaml", f"{name} advertises {pod['GP_MESH_ADVERTISE']}")
    elsewhere = outside.replace(region, "iad")
    if elsewhere not in pod["GP_MESH_PEER"].split(","):
        wrong("kubernetes.yaml", f"GP_MESH_PEER lacks {elsewhere}")
    if of.get(("Service", f"{name}-mesh"), {}).get("selector") != {"statefulset.kubernetes.io/pod-name": name}:
        wrong("kubernetes.yaml", f"{name} has no address for other regions")

_, linked = read_manifests("kubernetes-nats.yaml", "Deployment")
given = {entry["name"]: entry.get("value") for entry in linked["env"]}
if not given["GP_MESH"].startswith("nats://") or any(name in given for name in ["GP_MESH_LISTEN", "GP_MESH_PEER", "GP_MESH_ADVERTISE"]):
    wrong("kubernetes-nats.yaml", "the nodes are not linked through NATS alone")
if given["GP_NODE"] != f"{given['GP_REGION']}-$(POD_NAME)" or linked["image"] != container["image"]:
    wrong("kubernetes-nats.yaml", "its nodes are not those of kubernetes.yaml")


def read_compose(file):
    """A Compose file, whose mounts and networks exist."""
    compose = yaml.safe_load((deploy / file).read_text())
    for error in jsonschema.Draft202012Validator(json.loads(compose_schema.read_text())).iter_errors(compose):
        wrong(file, f"{list(error.path)}: {error.message}")
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith(".") and not (deploy / source).exists() or not source.startswith(".") and source not in compose["volumes"]:
                wrong(file, f"{name} mounts {source}, which does not exist")
        if not set(service.get("networks", [])) <= set(compose.get("networks", {})):
            wrong(file, f"{name} is on a network that does not exist")
    return compose


compose, with_nats = read_compose("compose.yaml"), read_compose("compose-nats.yaml")
for name, service in with_nats["services"].items():
    server = with_nats["services"].get(f"nats-{name}")
    if "GP_REGION" in service["environment"] and not (
        server and service["environment"]["GP_MESH"] == f"nats://nats-{name}:4222" and set(service["networks"]) < set(server["networks"])
        and f"nats://nats-{name}:7222" in (deploy / "compose/nats.conf").read_text()
    ):
        wrong("compose-nats.yaml", f"{name} has no server of its region")
targets = yaml.safe_load((deploy / "compose/prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
nodes = {name for name, service in compose["services"].items() if "GP_REGION" in service.get("environment", {})}
if {target.split(":")[0] for target in targets} != nodes:
    wrong("compose/prometheus.yml", f"it scrapes {targets}, and the nodes are {nodes}")

rules = [rule for group in yaml.safe_load((deploy / "prometheus/rules.yml").read_text())["groups"] for rule in group["rules"]]
alertmanager = yaml.safe_load((deploy / "prometheus/alertmanager.yml").read_text())
routes = {matcher: route["receiver"] for route in alertmanager["route"]["routes"] for matcher in route["matchers"]}
if set(routes) != {f'severity="{rule["labels"]["severity"]}"' for rule in rules}:
    wrong("prometheus/alertmanager.yml", f"it has routes for {sorted(routes)}, and the alerts have other severities")
if {*routes.values(), alertmanager["route"]["receiver"]} != {receiver["name"] for receiver in alertmanager["receivers"]}:
    wrong("prometheus/alertmanager.yml", "the receivers are not those of the routes")

fly = tomllib.loads((deploy / "fly.toml").read_text())
dockerfile = (deploy / "Dockerfile").read_text()
stages = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.M)
if fly["build"]["build-target"] not in stages:
    wrong("fly.toml", "build-target is no stage of the Dockerfile")
service = fly["http_service"]
if not service["concurrency"]["hard_limit"] <= int(fly["env"]["GP_CONNECTIONS"]) <= int(fly["env"]["FILES"]) - 256:
    wrong("fly.toml", "hard_limit, GP_CONNECTIONS and FILES do not agree")
if fly["restart"] != [{"policy": "always"}] or f":{fly['metrics']['port']}" not in fly["env"]["GP_METRICS_LISTEN"]:
    wrong("fly.toml", "restart or metrics")
if f"EXPOSE {service['internal_port']}/tcp" not in dockerfile:
    wrong("fly.toml", "internal_port is not the image's")
copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile, re.M)
for name in " ".join(copied).split():
    if not (deploy.parent / name).exists():
        wrong("Dockerfile", f"it copies {name}, which does not exist")

for file in ["deploy/Dockerfile", "docs/install.md"]:
    if f"-t {container['image']} ." not in (deploy.parent / file).read_text():
        wrong(file, f"the image that it builds is not the {container['image']} of kubernetes.yaml")

options = {**fly["env"], **{entry["name"]: 1 for entry in container["env"] + linked["env"]}}
for service in [*compose["services"].values(), *with_nats["services"].values()]:
    options |= service.get("environment", {})
print(json.dumps({"mistakes": mistakes, "options": sorted(name for name in options if name.startswith("GP_"))}))
