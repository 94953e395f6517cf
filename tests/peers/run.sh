#!/usr/bin/env bash
# The second test tier: installs the real servers if they are missing, and tests against them.
# Arguments go to the test binary: `run.sh restart` runs the tests with that in their name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The installs wait for registries and cargo does not: both at once.
bash tests/peers/install.sh &
installing=$!
trap 'kill $installing 2>/dev/null || true' EXIT
cargo build --examples
cargo test --test peers --no-run
wait $installing
trap - EXIT
cargo test --test peers -- "$@"
