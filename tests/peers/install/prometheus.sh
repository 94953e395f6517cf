# Prometheus 3 and promtool, built from their Go module: without service discovery but for files
# and fixed addresses, and without the web pages, which are not in the module.
# shellcheck shell=bash disable=SC2154

# v0.314.0 of the module is Prometheus 3.14.0.
version=v0.314.0
module=github.com/prometheus/prometheus

pins() { echo "recipe 1 $(uname -sm) $version"; }

paths() {
  echo "prometheus=$dir/prometheus"
  echo "promtool=$dir/promtool"
}

install() {
  go_build $module $version $module/cmd/prometheus "$dir/prometheus" -tags remove_all_sd
  go_build $module $version $module/cmd/promtool "$dir/promtool" -tags remove_all_sd
  quietly "$dir/prometheus" --version
  quietly "$dir/promtool" --version
}
