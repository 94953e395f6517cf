"""Compares the public API with the list in `public-api.txt`, which is part of every review.

A line that went is a breaking change, a new one is a promise. Without arguments a difference is a
failure; `--write` takes the present API as the list. Also names every crate whose types are in the
API: a new major version of one of those is a new major version of ours.
"""

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).parent / "public-api.txt"

# Why each may be there.
FOREIGN = {
    "alloc": "the standard library",
    "core": "the standard library",
    "std": "the standard library",
    "str": "the standard library",
    "tower": "its ServiceBuilder, retry policy and boxed services are what users compose with",
    "tower_layer": "the trait",
    "tower_service": "the trait",
    "bytes": "the form of a request",
    "tokio": "its Instant, which tests can pause, and its runtime handle",
    "http": "what layers below an HTTP or gRPC exporter see",
    "http_body": "what layers below an HTTP or gRPC exporter see",
    "http_body_util": "the body of requests that are in memory",
    "futures_core": "the Stream trait",
    "pin_project_lite": "its Unpin impls, which nobody can name",
    "tonic": "feature receiver-grpc, otlp-grpc: services to mount, a channel to wrap",
    "axum": "feature axum: a Router to merge",
    "reqwest": "feature otlp-http and its kin: a client to bring along",
    "opentelemetry": "feature metrics, sdk: the API it reports to",
    "opentelemetry_sdk": "feature sdk: the traits it implements",
    "opentelemetry_proto": "feature prost: the decoded structs",
}


def present():
    toolchain = "+" + os.environ.get("NIGHTLY", "nightly")
    command = ["cargo", toolchain, "public-api", "--all-features", "-sss", "--color=never"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return output.splitlines()


def foreign(lines):
    found = {}
    for line in lines:
        # A path begins where no other ends, and its first segment is a crate.
        for crate in re.findall(r"(?<![\w:])([a-z_][a-z0-9_]*)::", line):
            if crate != "tower_otlp":
                found.setdefault(crate, line)
    return found


def main():
    lines = present()
    strangers = {crate: line for crate, line in foreign(lines).items() if crate not in FOREIGN}
    for crate, line in strangers.items():
        print(f"the public API now names the crate {crate}:\n    {line}")
        print(f"hide it, or say in {Path(__file__).name} why it may be there")
    if "--write" in sys.argv[1:]:
        LIST.write_text("\n".join(lines) + "\n")
        print(f"{LIST.name}: {len(lines)} lines")
        return bool(strangers)
    listed = LIST.read_text().splitlines()
    changes = [
        change
        for change in difflib.unified_diff(listed, lines, n=0, lineterm="")
        if change[:1] in "+-" and change[:3] not in ("+++", "---")
    ]
    gone = sum(change.startswith("-") for change in changes)
    if changes:
        print("\n".join(changes))
        print(f"\n{gone} lines of the public API are gone or changed (breaking), ", end="")
        print(f"{len(changes) - gone} are new.")
        print("Meant? `python3 .ci/public_api.py --write`, and a line in CHANGELOG.md.")
    else:
        print(f"the public API is as listed: {len(lines)} lines")
    return bool(changes or strangers)


sys.exit(main())
