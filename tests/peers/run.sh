#!/usr/bin/env bash
# The second test tier: installs the real servers if they are missing, and tests against them.
# Arguments go to the test binary: `run.sh restart` runs the tests with that in their name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bash tests/peers/install.sh
cargo build --examples
cargo test --test peers -- "$@"
