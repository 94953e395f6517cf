# syslog-ng, as Debian packages it.
# shellcheck shell=bash disable=SC2154

# The libraries of its own that are not on every Debian.
packages=(syslog-ng-core libivykis0 libnet1 libpcre3 libwrap0)

pins() {
  echo "recipe 1 $(uname -sm)"
  debian_pins "${packages[@]}"
}

paths() { echo "syslog=$dir/syslog-ng"; }

install() {
  debian_unpack "${packages[@]}"
  cat >"$dir/syslog-ng" <<WRAPPER
#!/bin/sh
root=$dir/root
export LD_LIBRARY_PATH=\$root/usr/lib/syslog-ng:\$root/usr/lib/x86_64-linux-gnu:\$root/lib/x86_64-linux-gnu
exec \$root/usr/sbin/syslog-ng --module-path=\$root/usr/lib/syslog-ng/3.38 "\$@"
WRAPPER
  sed -i "s#x86_64-linux-gnu#$(uname -m)-linux-gnu#g" "$dir/syslog-ng"
  chmod +x "$dir/syslog-ng"
  quietly "$dir/syslog-ng" --version
}
