# InfluxDB 1, as Debian packages it.
# shellcheck shell=bash disable=SC2154

packages=(influxdb)

pins() {
  echo "recipe 1 $(uname -sm)"
  debian_pins "${packages[@]}"
}

paths() { echo "influxdb=$dir/root/usr/bin/influxd"; }

install() {
  debian_unpack "${packages[@]}"
  quietly "$dir/root/usr/bin/influxd" version
}
