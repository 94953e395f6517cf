#!/usr/bin/env bash
# Installs the real peers of the second test tier, outside the tree. Each is one file in install/,
# which says what it is and where it comes from.
#
# Usage: install.sh [PEER...]            install what is missing (all peers, or those named)
#        install.sh --paths [PEER...]    install nothing, fail if something is missing
#
# Both print lines `NAME=PATH` on standard output, and nothing else there:
#
#   collector=       the OpenTelemetry Collector          python=            the Python SDK
#   jaeger=          Jaeger, all in one                   zipkin=            Zipkin's server, a jar
#   prometheus=      Prometheus 3, promtool=              prometheus-debian= Prometheus 2
#   victoria-metrics= VictoriaMetrics                     influxdb=          InfluxDB 1
#   opensearch=      OpenSearch: a folder with its jars   syslog=            syslog-ng
#   chromium=        Chromium                             playwright=        what drives it, on Node
#
# They are kept in $TOWER_OTLP_PEERS, or else in the user's cache folder, under a name made from
# what goes into them: a changed pin is a new folder, and an unchanged one is never built twice.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The quick ones first: a registry that cannot be reached is known within seconds.
all=(python chromium syslog-ng prometheus-debian victoria-metrics influxdb zipkin opensearch prometheus jaeger collector)

# shellcheck source=install/common.sh
. "$here/install/common.sh"

mode=install
if [ "${1-}" = --paths ]; then
  mode=paths
  shift
fi
for peer in "$@"; do
  [[ " ${all[*]} " = *" $peer "* ]] || die "unknown peer '$peer' (usage: install.sh [--paths] [PEER...]; peers: ${all[*]})"
done
[ $# -gt 0 ] || set -- "${all[@]}"

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
need sha256sum "name the cached peers"

# in_peer NAME FUNCTION: runs one of the functions that install/NAME.sh defines (`pins`, `paths`,
# `install`), or of common.sh, for that peer, in a shell of its own.
in_peer() (
  peer=$1
  # shellcheck source=/dev/null
  . "$here/install/$peer.sh"
  dir=$cache/$peer-$(pins | sha256sum | cut -c1-16)
  log=$cache/$peer.log
  "$2"
)

missing=()
for peer in "$@"; do
  in_peer "$peer" is_installed || missing+=("$peer")
done

if [ $mode = install ]; then
  if [ ${#missing[@]} -eq 0 ]; then
    say "everything is installed already"
  else
    need flock "keep two installs apart"
    mkdir -p "$cache" || die "cannot create $cache"
    exec 9>"$cache/lock"
    if ! flock -n 9; then
      say "waiting for another install"
      flock 9
    fi
    for peer in "${missing[@]}"; do
      # Asked again: the other install may have done it.
      in_peer "$peer" is_installed || in_peer "$peer" install_afresh
    done
    exec 9>&-
    say "done"
    missing=()
  fi
fi

for peer in "$@"; do
  if in_peer "$peer" is_installed; then in_peer "$peer" paths; fi
done
[ ${#missing[@]} -eq 0 ] || die "not installed: ${missing[*]}: run tests/peers/install.sh"
