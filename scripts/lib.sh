# Helpers of the scripts beside this file; source it, do not run it.
#
# A step ends in one of three ways: 0 it holds, 77 it could not run here (`skip`, never when CI=true),
# anything else it failed. Each step prints one headline that starts with `== `.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit

# The toolchain of the sanitizer and the fuzzer. Nothing here ever downloads a toolchain.
NIGHTLY=${NIGHTLY:-nightly}
export RUSTUP_AUTO_INSTALL=0

# Builds with other flags get folders of their own below this one, so that they do not evict each other.
TARGET=${CARGO_TARGET_DIR:-target}
[[ $TARGET == /* ]] || TARGET=$ROOT/$TARGET
export CARGO_TARGET_DIR=$TARGET

# The fuzz targets and the comparison with other crates are workspaces of their own.
MANIFESTS=(Cargo.toml)
for manifest in fuzz/Cargo.toml benches/peers/Cargo.toml; do
    [[ -f $manifest ]] && MANIFESTS+=("$manifest")
done

SKIPPED=77

in_ci() {
    [[ ${CI:-} == true || ${CI:-} == 1 ]]
}

say() {
    printf '== %s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Ends the step because something is missing. In CI that is a failure: a step that did not run proves nothing.
skip() {
    if in_ci; then
        fail "cannot run, and in CI a skipped step is a failed one: $*"
    fi
    if [[ -n ${SKIP_REASON_FILE:-} ]]; then
        printf '%s' "$*" >"$SKIP_REASON_FILE"
    fi
    say "skipped: $*"
    exit $SKIPPED
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has_nightly() {
    has rustup && rustup toolchain list 2>/dev/null | grep -q "^$NIGHTLY\b"
}

has_cargo_fuzz() {
    cargo fuzz --version >/dev/null 2>&1
}

needs_nightly() {
    has_nightly || skip "no $NIGHTLY toolchain (rustup toolchain install $NIGHTLY --profile minimal)"
}

# The target folder of a manifest: the other workspaces get their own, their features differ.
target_of() {
    case $1 in
        Cargo.toml) echo "$TARGET" ;;
        *) echo "$TARGET/$(basename "$(dirname "$1")")" ;;
    esac
}

host() {
    rustc -vV | sed -n 's/^host: //p'
}

# A folder that is gone when the script ends.
temp_dir() {
    TEMP=$(mktemp -d)
    trap 'rm -rf "$TEMP"' EXIT
}
