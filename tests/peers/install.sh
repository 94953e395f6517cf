#!/usr/bin/env bash
# Installs the real peers of the second test tier, outside the tree:
#
#   the OpenTelemetry Collector, built from Go modules (collector/builder.yaml)
#   the Python OpenTelemetry SDK, in a virtual environment (python/requirements.txt)
#
# Usage: install.sh            install what is missing
#        install.sh --paths    install nothing, fail if something is missing
#
# Both print two lines on standard output, and nothing else there:
#
#   collector=PATH
#   python=PATH
#
# They are kept in $TOWER_OTLP_PEERS, or else in the user's cache folder, under
# a name made from what goes into them: a changed pin is a new folder, and an
# unchanged one is never built twice.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
manifest=$here/collector/builder.yaml
requirements=$here/python/requirements.txt

say() { printf 'peers: [%3ds] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'peers: error: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is needed to $2, and is not installed"; }

mode=install
case ${1-} in
  '') ;;
  --paths) mode=paths ;;
  *) die "unknown argument '$1' (usage: install.sh [--paths])" ;;
esac
[ $# -le 1 ] || die "too many arguments (usage: install.sh [--paths])"

if [ -n "${TOWER_OTLP_PEERS-}" ]; then
  cache=$TOWER_OTLP_PEERS
elif [ -n "${XDG_CACHE_HOME-}" ]; then
  cache=$XDG_CACHE_HOME/tower-otlp/peers
else
  cache=${HOME:?set TOWER_OTLP_PEERS or HOME}/.cache/tower-otlp/peers
fi
case $cache in
  /*) ;;
  *) cache=$PWD/$cache ;;
esac

need python3 "run the Python peer"
need sha256sum "name the cached peers"

key() { sha256sum | cut -c1-16; }

# The builder's version is in the manifest, so the manifest's hash covers it.
# The number is this recipe's: raise it when the build below changes.
collector_dir=$cache/collector-$({ echo "recipe 1 $(uname -sm)"; cat "$manifest"; } | key)
collector=$collector_dir/otelcol-peer
python_dir=$cache/python-$({ echo "recipe 1 $(uname -sm)"; python3 -c 'import sys; print(sys.version, sys.executable)'; cat "$requirements"; } | key)
python=$python_dir/bin/python

have_collector() { [ -x "$collector" ]; }
have_python() { [ -e "$python_dir/.complete" ] && [ -x "$python" ]; }

print_paths() { printf 'collector=%s\npython=%s\n' "$collector" "$python"; }

if [ $mode = paths ]; then
  have_collector || die "the Collector is not installed: run tests/peers/install.sh"
  have_python || die "the Python peer is not installed: run tests/peers/install.sh"
  print_paths
  exit 0
fi

# Runs a command with its output in a log, which is shown only if it fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "failed: $* (the whole log: $log)"
  fi
}

install_collector() {
  need go "build the Collector"
  local builder work
  builder=$(sed -n 's/^# builder: *//p' "$manifest")
  [ -n "$builder" ] || die "no 'builder:' line in $manifest"
  say "building the Collector with $builder (a few minutes the first time)"
  work=$cache/build
  rm -rf "$work"
  mkdir -p "$work"
  cp "$manifest" "$work/builder.yaml"
  (
    cd "$work"
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false
    quietly "$cache/collector.log" nice -n 10 \
      go run "$builder" --config=builder.yaml --ldflags='-s -w' --verbose
  )
  "$work/out/otelcol-peer" --version >/dev/null || die "the Collector was built, and does not run"
  mkdir -p "$collector_dir"
  mv "$work/out/otelcol-peer" "$collector"
  rm -rf "$work"
  say "built $("$collector" --version)"
}

install_python() {
  say "installing the Python SDK"
  rm -rf "$python_dir"
  quietly "$cache/python.log" nice -n 10 python3 -m venv "$python_dir"
  quietly "$cache/python.log" nice -n 10 "$python" -m pip install \
    --no-input --disable-pip-version-check --no-deps --only-binary :all: -r "$requirements"
  quietly "$cache/python.log" "$python" -m pip check
  quietly "$cache/python.log" "$python" -c '
import opentelemetry.sdk.trace
import opentelemetry.exporter.otlp.proto.grpc.trace_exporter
import opentelemetry.exporter.otlp.proto.http.trace_exporter'
  touch "$python_dir/.complete"
  say "installed the Python SDK"
}

if have_collector && have_python; then
  say "everything is installed already"
else
  need flock "keep two installs apart"
  mkdir -p "$cache" || die "cannot create $cache"
  exec 9>"$cache/lock"
  if ! flock -n 9; then
    say "waiting for another install"
    flock 9
  fi
  # Asked again: the other install may have done it.
  have_python || install_python
  have_collector || install_collector
  exec 9>&-
  say "done"
fi
print_paths
