# What the installs of the peers share. install.sh reads this file, then install/PEER.sh in a shell
# of its own, with `here`, `cache`, `peer`, `dir` (where the peer goes) and `log` set.
#
# Each install/PEER.sh defines three functions:
#
#   pins     prints all that decides what is installed; begins with the recipe's own number, to be
#            raised when the install changes
#   paths    prints `NAME=PATH` lines
#   install  fills $dir, which is there and empty
# shellcheck shell=bash disable=SC2154

say() { printf 'peers: [%3ds] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'peers: error: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is needed to $2, and is not installed"; }

# Runs a command with its output in the log, which is shown only if it fails.
quietly() {
  if ! "$@" >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "failed: $* (the whole log: $log)"
  fi
}

is_installed() {
  local line
  [ -e "$dir/.complete" ] || return 1
  while read -r line; do
    [ -e "${line#*=}" ] || return 1
  done < <(paths)
}

install_afresh() {
  local start=$SECONDS
  say "installing $peer"
  rm -rf "$dir"
  mkdir -p "$dir"
  : >"$log"
  install
  touch "$dir/.complete"
  say "installed $peer in $((SECONDS - start)) s"
}

# go_build MODULE VERSION PACKAGE OUTPUT [GO BUILD ARGUMENT...]: builds a command of a Go module
# with the versions and the checksums of its own go.mod and go.sum, as its makers build it.
# (`go install MODULE@VERSION` refuses a module that replaces another, and asks the checksum
# database anew for each dependency; it does not have all of them.)
go_build() {
  local module=$1 version=$2 package=$3 output=$4 work source
  shift 4
  need go "build $module"
  work=$dir/build
  mkdir -p "$work"
  (
    cd "$work"
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false
    quietly nice -n 10 go mod download "$module@$version"
    source=$(go list -m -f '{{.Dir}}' "$module@$version")
    sed "s#^module .*#module tower-otlp.invalid/peers/$peer#" "$source/go.mod" >go.mod
    printf 'require %s %s\n' "$module" "$version" >>go.mod
    cp "$source/go.sum" go.sum
    chmod u+w go.sum
    quietly nice -n 10 go build -mod=mod -ldflags='-s -w' -o "$output" "$@" "$package"
  )
  rm -rf "$work"
}

debian_pins() { # PACKAGE...
  # Not their versions: a mirror has only the newest of a stable release, with its security fixes.
  ( . /etc/os-release && printf 'debian %s %s\n' "${VERSION_CODENAME-none}" "$*" )
}

# debian_unpack PACKAGE...: unpacks Debian packages into $dir/root. Nothing is installed or
# started, and what they depend on is not fetched: name it, too.
debian_unpack() {
  local package
  need apt-get "fetch Debian's packages"
  need dpkg "unpack Debian's packages"
  mkdir -p "$dir/packages"
  if ! debian_fetch "$@" >>"$log" 2>&1; then
    # The lists of packages are missing or too old.
    quietly apt-get update
    quietly debian_fetch "$@"
  fi
  for package in "$dir"/packages/*.deb; do
    quietly dpkg -x "$package" "$dir/root"
    say "unpacked $(basename "$package" .deb)"
  done
  rm -r "$dir/packages"
}

debian_fetch() (
  cd "$dir/packages"
  nice -n 10 apt-get download "$@"
)
