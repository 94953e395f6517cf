# VictoriaMetrics, single node, as Debian packages it.
# shellcheck shell=bash disable=SC2154

packages=(victoria-metrics)

pins() {
  echo "recipe 1 $(uname -sm)"
  debian_pins "${packages[@]}"
}

paths() { echo "victoria-metrics=$dir/root/usr/bin/victoria-metrics"; }

install() {
  debian_unpack "${packages[@]}"
  quietly "$dir/root/usr/bin/victoria-metrics" --version
}
