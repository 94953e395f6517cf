# Jaeger, all in one, built from its Go module: a collector that takes Thrift over HTTP, an agent
# that takes it over UDP, a store and the query API. The web pages are not in the module.
# shellcheck shell=bash disable=SC2154

# The last release in the module proxy that has the agent. Version 2 is made of the Collector and
# its jaeger receiver, which is a peer of its own.
version=v1.62.0

pins() { echo "recipe 1 $(uname -sm) $version"; }

paths() { echo "jaeger=$dir/jaeger"; }

install() {
  go_build github.com/jaegertracing/jaeger $version github.com/jaegertracing/jaeger/cmd/all-in-one "$dir/jaeger"
  quietly "$dir/jaeger" version
}
