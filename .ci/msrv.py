"""Checks the stated rust-version against what users get: every dependency's own, and a build
with that very toolchain if it is installed."""

import json
import subprocess
import sys

metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--format-version=1", "--all-features", "--locked"]
    )
)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]


def version(text):
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


stated = packages[root]["rust_version"]
todo, seen = [root], set()
while todo:
    package = todo.pop()
    if package in seen:
        continue
    seen.add(package)
    for dep in nodes[package]["deps"]:
        kinds = [kind["kind"] for kind in dep["dep_kinds"]]
        if "dev" in kinds and len(set(kinds)) == 1:
            continue
        todo.append(dep["pkg"])

too_new = [
    f"{packages[id]['name']} {packages[id]['version']} needs Rust {packages[id]['rust_version']}"
    for id in seen
    if packages[id]["rust_version"] and version(packages[id]["rust_version"]) > version(stated)
]
if too_new:
    sys.exit(f"rust-version is {stated}, but:\n" + "\n".join(sorted(too_new)))
print(f"rust-version {stated}: none of {len(seen)} crates asks for more")

toolchains = subprocess.run(
    ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
).stdout
if any(line.startswith(f"{stated}.") or line.startswith(f"{stated}-") for line in toolchains.splitlines()):
    subprocess.check_call(["cargo", f"+{stated}", "check", "--lib", "--all-features"])
    print(f"builds with Rust {stated}")
else:
    print(f"Rust {stated} itself is not installed: no build with it")
