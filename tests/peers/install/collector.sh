# The OpenTelemetry Collector, built from Go modules by its own builder (collector/builder.yaml).
# shellcheck shell=bash disable=SC2154

manifest=$here/collector/builder.yaml

# The builder's version is in the manifest, so the manifest covers it.
pins() {
  echo "recipe 1 $(uname -sm)"
  cat "$manifest"
}

paths() { echo "collector=$dir/otelcol-peer"; }

install() {
  need go "build the Collector"
  local builder work=$dir/build
  builder=$(sed -n 's/^# builder: *//p' "$manifest")
  [ -n "$builder" ] || die "no 'builder:' line in $manifest"
  mkdir "$work"
  cp "$manifest" "$work/builder.yaml"
  (
    cd "$work"
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false
    quietly nice -n 10 go run "$builder" --config=builder.yaml --ldflags='-s -w' --verbose
  )
  "$work/out/otelcol-peer" --version >/dev/null || die "the Collector was built, and does not run"
  mv "$work/out/otelcol-peer" "$dir"
  rm -rf "$work"
}
