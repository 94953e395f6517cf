#!/usr/bin/env bash
# Tests the peers themselves, without the library: the Python SDK against the
# Collector in each of the configurations here, with the Collector stopped and
# killed in between. Installs what is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
paths=$("$here/install.sh" collector python)
collector=$(sed -n 's/^collector=//p' <<<"$paths")
python=$(sed -n 's/^python=//p' <<<"$paths")
export PYTHONDONTWRITEBYTECODE=1

work=$(mktemp -d)
declare -A pid=() # of each running Collector, by name
passed=0

finish() {
  local status=$?
  for name in "${!pid[@]}"; do kill -KILL "${pid[$name]}" 2>/dev/null || true; done
  if [ $status -ne 0 ]; then
    for log in "$work"/*.log; do
      [ -e "$log" ] || continue
      printf -- '--- %s\n' "$(basename "$log")" >&2
      tail -n 20 "$log" >&2
    done
    echo "$passed passed, 1 failed"
  fi
  rm -rf "$work"
}
trap finish EXIT

die() { printf 'selftest: error: %s\n' "$*" >&2; exit 1; }
ok() { passed=$((passed + 1)); printf 'ok %d - %s\n' "$passed" "$*"; }

# start NAME CONFIG [VARIABLE=VALUE...]: starts a Collector, waits until it is
# ready. Its log is NAME.log, begun anew at each start.
start() {
  local name=$1 config=$2
  shift 2
  env "$@" "$collector" --config "$here/collector/$config" >"$work/$name.log" 2>&1 &
  pid[$name]=$!
  for _ in $(seq 200); do
    if grep -q 'Everything is ready' "$work/$name.log"; then return; fi
    kill -0 "${pid[$name]}" 2>/dev/null || die "$name ($config) did not start"
    sleep 0.05
  done
  die "$name ($config) is not ready after 10 s"
}

# address NAME grpc|http: where it listens, from its log.
address() {
  local what=${2^^}
  sed -n "s/.*Starting $what server.*\"endpoint\": \"\([^\"]*\)\".*/\1/p" "$work/$1.log" | head -n 1
}

stop() { # NAME SIGNAL STATUS
  local status=0
  kill "-$2" "${pid[$1]}"
  { wait "${pid[$1]}" || status=$?; } 2>/dev/null
  unset "pid[$1]"
  [ $status -eq "$3" ] || die "$1 ended with $status on SIG$2, not with $3"
}

seed=0
send() { # FILE ARGUMENTS...
  local file=$1
  shift
  seed=$((seed + 1))
  "$python" "$here/python/send.py" --seed $seed --spans 120 --logs 70 --metrics --batch 50 "$@" >"$file"
}

# arrived OUT_DIR SENT...: within a second, since files are flushed every 50 ms.
arrived() {
  for _ in $(seq 20); do
    if "$python" "$here/python/check.py" "$@" 2>"$work/check.log"; then return; fi
    sleep 0.05
  done
  die "$(cat "$work/check.log")"
}

free=(GRPC_ADDR=127.0.0.1:0 HTTP_ADDR=127.0.0.1:0)

# --- sink.yaml: both protocols, both compressions, a stop and a kill in between

out=$work/sink
mkdir "$out"
start sink sink.yaml "${free[@]}" OUT_DIR="$out"
grpc=$(address sink grpc) http=$(address sink http)
fixed=(GRPC_ADDR="$grpc" HTTP_ADDR="$http")

send "$work/1.json" --protocol grpc --compression none --endpoint "http://$grpc"
arrived "$out" "$work/1.json"
ok "gRPC, no compression"
send "$work/2.json" --protocol http --compression none --endpoint "http://$http"
arrived "$out" "$work"/[12].json
ok "HTTP, no compression"
stop sink TERM 0
arrived "$out" "$work"/[12].json
start sink sink.yaml "${fixed[@]}" OUT_DIR="$out"
[ "$(address sink grpc)" = "$grpc" ] || die "another address after a restart"
send "$work/3.json" --protocol grpc --compression gzip --endpoint "http://$grpc"
arrived "$out" "$work"/[123].json
ok "gRPC, gzip, after a stop and a start"
stop sink KILL 137
start sink sink.yaml "${fixed[@]}" OUT_DIR="$out"
send "$work/4.json" --protocol http --compression gzip --endpoint "http://$http"
arrived "$out" "$work"/[1234].json
ok "HTTP, gzip, after a kill and a start"
stop sink TERM 0

if send "$work/none.json" --protocol grpc --endpoint "http://$grpc" --timeout 1 2>/dev/null; then
  die "send.py did not notice that nothing listens for gRPC"
fi
if send "$work/none.json" --protocol http --endpoint "http://$http" --timeout 1 2>/dev/null; then
  die "send.py did not notice that nothing listens for HTTP"
fi
ok "send.py fails when nothing listens"

# --- TLS

(
  cd "$work"
  curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  openssl req -x509 "${curve[@]}" -keyout ca.key -out ca.pem -days 2 -subj /CN=peers-ca
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n' >server.ext
  printf 'extendedKeyUsage=clientAuth\n' >client.ext
  for who in server client; do
    openssl req "${curve[@]}" -keyout $who.key -out $who.csr -subj /CN=$who
    openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
  done
) >"$work/openssl.log" 2>&1
identity=(CERT="$work/server.pem" KEY="$work/server.key")
client=(--client-cert "$work/client.pem" --client-key "$work/client.key")

out=$work/tls
mkdir "$out"
start tls sink-tls.yaml "${free[@]}" "${identity[@]}" OUT_DIR="$out"
tls_grpc=$(address tls grpc) tls_http=$(address tls http)
send "$work/5.json" --protocol grpc --compression gzip --endpoint "https://$tls_grpc" --ca "$work/ca.pem"
send "$work/6.json" --protocol http --compression gzip --endpoint "https://$tls_http" --ca "$work/ca.pem"
arrived "$out" "$work"/[56].json
ok "TLS, gRPC and HTTP"

mtls_out=$work/mtls
mkdir "$mtls_out"
start mtls sink-mtls.yaml "${free[@]}" "${identity[@]}" CLIENT_CA="$work/ca.pem" OUT_DIR="$mtls_out"
mtls_grpc=$(address mtls grpc) mtls_http=$(address mtls http)
send "$work/7.json" --protocol grpc --endpoint "https://$mtls_grpc" --ca "$work/ca.pem" "${client[@]}"
send "$work/8.json" --protocol http --endpoint "https://$mtls_http" --ca "$work/ca.pem" "${client[@]}"
arrived "$mtls_out" "$work"/[78].json
for protocol in grpc http; do
  where=$mtls_grpc
  [ $protocol = grpc ] || where=$mtls_http
  if send "$work/none.json" --protocol $protocol --endpoint "https://$where" --ca "$work/ca.pem" --timeout 1 2>/dev/null; then
    die "sink-mtls.yaml let a client in that has no certificate ($protocol)"
  fi
done
arrived "$mtls_out" "$work"/[78].json
ok "mutual TLS, gRPC and HTTP, and no entry without a certificate"

# --- relays

out=$work/relayed
mkdir "$out"
start far sink.yaml "${free[@]}" OUT_DIR="$out"
far_grpc=$(address far grpc) far_http=$(address far http)
sent=()
for compression in gzip none; do
  start relay relay-grpc.yaml "${free[@]}" TO_GRPC="$far_grpc" COMPRESSION=$compression
  sent+=("$work/grpc-$compression.json")
  send "${sent[-1]}" --protocol grpc --endpoint "http://$(address relay grpc)"
  stop relay TERM 0
  for encoding in proto json; do
    start relay relay-http.yaml "${free[@]}" TO_HTTP="http://$far_http" COMPRESSION=$compression ENCODING=$encoding
    sent+=("$work/http-$compression-$encoding.json")
    send "${sent[-1]}" --protocol http --endpoint "http://$(address relay http)"
    stop relay TERM 0
  done
done
arrived "$out" "${sent[@]}"
ok "relays over gRPC and HTTP, proto and JSON, gzip and none"

# The relay retries: the far end is away while the request comes in.
start relay relay-grpc.yaml "${free[@]}" TO_GRPC="$far_grpc"
stop far TERM 0
sent+=("$work/retried.json")
send "${sent[-1]}" --protocol grpc --endpoint "http://$(address relay grpc)" --timeout 30 &
sending=$!
sleep 0.7
kill -0 $sending 2>/dev/null || die "the relay answered while the far end was away"
start far sink.yaml GRPC_ADDR="$far_grpc" HTTP_ADDR="$far_http" OUT_DIR="$out"
wait $sending
arrived "$out" "${sent[@]}"
stop relay TERM 0
ok "a relay waits for the far end"

start relay relay-grpc.yaml "${free[@]}" TO_GRPC="https://$mtls_grpc" CA="$work/ca.pem" \
  CLIENT_CERT="$work/client.pem" CLIENT_KEY="$work/client.key"
send "$work/9.json" --protocol grpc --endpoint "http://$(address relay grpc)"
stop relay TERM 0
start relay relay-http.yaml "${free[@]}" TO_HTTP="https://$mtls_http" CA="$work/ca.pem" \
  CLIENT_CERT="$work/client.pem" CLIENT_KEY="$work/client.key"
send "$work/10.json" --protocol http --endpoint "http://$(address relay http)"
stop relay TERM 0
arrived "$mtls_out" "$work"/{7,8,9,10}.json
ok "relays over mutual TLS"

# --- the older protocols

out=$work/legacy
mkdir "$out"
# These receivers do not log the port they got, so the ports are chosen here.
read -r -a ports < <("$python" -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))')
start legacy sink-legacy.yaml JAEGER_GRPC_ADDR="127.0.0.1:${ports[0]}" \
  JAEGER_HTTP_ADDR="127.0.0.1:${ports[1]}" ZIPKIN_ADDR="127.0.0.1:${ports[2]}" \
  JAEGER_COMPACT_ADDR="127.0.0.1:${ports[3]}" JAEGER_BINARY_ADDR="127.0.0.1:${ports[4]}" OUT_DIR="$out"
"$python" - "${ports[@]:0:3}" <<'PYTHON'
import http.client, json, socket, sys

for port in sys.argv[1:]:
    socket.create_connection(("127.0.0.1", int(port)), 5).close()
span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "id": "b7ad6b7169203331", "name": "zipkin span"}
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[3]), timeout=5)
connection.request("POST", "/api/v2/spans", json.dumps([span]), {"Content-Type": "application/json"})
status = connection.getresponse().status
assert status == 202, status
PYTHON
stop legacy TERM 0
grep -q '"name":"zipkin span"' "$out/traces.jsonl" || die "the Zipkin span was not written down"
ok "Jaeger and Zipkin receivers"

for name in "${!pid[@]}"; do stop "$name" TERM 0; done
echo "$passed passed, 0 failed"
