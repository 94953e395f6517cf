# Prometheus 2, as Debian packages it: what many run, and older than Remote-Write 2.0, UTF-8 names
# and OTLP.
# shellcheck shell=bash disable=SC2154

packages=(prometheus)

pins() {
  echo "recipe 1 $(uname -sm)"
  debian_pins "${packages[@]}"
}

paths() { echo "prometheus-debian=$dir/root/usr/bin/prometheus"; }

install() {
  debian_unpack "${packages[@]}"
  quietly "$dir/root/usr/bin/prometheus" --version
}
