# Chromium, as Debian packages it, and what drives it: playwright-core from npm, on Node.
# shellcheck shell=bash disable=SC2154

packages=(chromium chromium-common)

pins() {
  echo "recipe 1 $(uname -sm)"
  debian_pins "${packages[@]}"
  cat "$here/browser/package-lock.json"
}

paths() {
  echo "chromium=$dir/chromium"
  echo "playwright=$dir/node_modules/playwright-core"
}

install() {
  local more
  need node "drive a browser"
  need npm "fetch playwright-core"
  cp "$here/browser/package.json" "$here/browser/package-lock.json" "$dir"
  (cd "$dir" && quietly npm ci --no-audit --no-fund --ignore-scripts)
  # The libraries that it needs and this system does not have, as apt finds them.
  quietly apt-get update
  read -ra more <<<"$(apt-get install --simulate --no-install-recommends "${packages[@]}" |
    awk '/^Inst/ { print $2 }' | grep -vxF "$(printf '%s\n' "${packages[@]}")" | tr '\n' ' ')"
  debian_unpack "${packages[@]}" "${more[@]}"
  cat >"$dir/chromium" <<WRAPPER
#!/bin/sh
root=$dir/root
libraries=\$root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=\$libraries:\$libraries/pulseaudio:\$root/lib/x86_64-linux-gnu
exec \$root/usr/lib/chromium/chromium "\$@"
WRAPPER
  sed -i "s#x86_64-linux-gnu#$(uname -m)-linux-gnu#g" "$dir/chromium"
  chmod +x "$dir/chromium"
  quietly "$dir/chromium" --version
}
