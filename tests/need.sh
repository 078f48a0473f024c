# need COMMAND PACKAGE…: Debian packages, if the command is missing and this user may install them. Sourced by the scripts
# that run tests.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null \
        && apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
}
