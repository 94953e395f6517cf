# The Python OpenTelemetry SDK, in a virtual environment (python/requirements.txt).
# shellcheck shell=bash disable=SC2154

requirements=$here/python/requirements.txt

pins() {
  need python3 "run the Python peer"
  echo "recipe 1 $(uname -sm)"
  python3 -c 'import sys; print(sys.version, sys.executable)'
  cat "$requirements"
}

paths() { echo "python=$dir/bin/python"; }

install() {
  local python=$dir/bin/python
  quietly nice -n 10 python3 -m venv "$dir"
  quietly nice -n 10 "$python" -m pip install \
    --no-input --disable-pip-version-check --no-deps --only-binary :all: -r "$requirements"
  quietly "$python" -m pip check
  quietly "$python" -c '
import opentelemetry.sdk.trace
import opentelemetry.exporter.otlp.proto.grpc.trace_exporter
import opentelemetry.exporter.otlp.proto.http.trace_exporter'
}
