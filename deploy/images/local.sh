#!/usr/bin/env bash
# Makes images for an engine that can pull none: from Debian packages, and from binaries that are built already.
#
#   deploy/images/local.sh HOLDFAST [OTLP_RECEIVER]    makes what is missing or out of date
#   deploy/images/local.sh --remove                    removes all of them
#
# deploy/compose.local.yml names them. Needs what rootfs.sh needs and a Docker engine, but neither root nor BuildKit.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
label=dev.holdfast.recipe
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# current IMAGE: says whether it was made from what $recipe stands for.
current() {
  [ "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2> /dev/null)" = "$recipe" ]
}

# from_packages NAME PACKAGES CHANGE...: CHANGE as `docker import` has it.
from_packages() {
  local image=holdfast-local/$1 packages=$2 change changes=()
  shift 2
  recipe=$(cat "$here"/* <(echo "$packages") | sha256sum | cut -c1-16)
  if current "$image"; then return; fi
  rm -rf "$scratch"/*
  # shellcheck disable=SC2086,SC2046 # lists
  "$here/rootfs.sh" "$scratch/root" $packages
  if [ "$image" = holdfast-local/postgres ]; then
    install -m 0755 "$here/postgres.sh" "$scratch/root/usr/bin/docker-entrypoint.sh"
    # Debian keeps the programs of each version apart; here there is one.
    ln -s -t "$scratch/root/usr/bin" $(cd "$scratch/root" && printf '/%s ' usr/lib/postgresql/*/bin/*)
  fi
  # A named volume takes the owner of the folder that it is mounted on.
  mkdir -p "$scratch"/owned/{data,secrets,store-secrets,var/lib/holdfast,var/lib/postgresql/data}
  tar -c -C "$scratch/root" --numeric-owner --owner=0 --group=0 -f "$scratch/image.tar" .
  tar -r -C "$scratch/owned" --numeric-owner --owner=999 --group=999 -f "$scratch/image.tar" \
    ./data ./secrets ./store-secrets ./var/lib/holdfast ./var/lib/postgresql
  for change in "LABEL $label=$recipe" "$@"; do changes+=(--change "$change"); done
  docker import "${changes[@]}" "$scratch/image.tar" "$image" > /dev/null
  echo "made $image"
}

# from_binary NAME FILE: the base image with one program.
from_binary() {
  local image=holdfast-local/$1 program=$1
  recipe=$(cat "$here"/* "$2" | sha256sum | cut -c1-16)
  if current "$image"; then return; fi
  rm -rf "$scratch"/*
  mkdir "$scratch/context"
  install -m 0755 "$2" "$scratch/context/$program"
  strip "$scratch/context/$program"
  docker build --quiet --tag "$image" --file - "$scratch/context" > /dev/null <<END
FROM holdfast-local/base
COPY $program /usr/bin/$program
USER 999:999
WORKDIR /var/lib/holdfast
ENTRYPOINT ["/usr/bin/$program"]
LABEL $label=$recipe
END
  echo "made $image"
}

if [ "${1:-}" = --remove ]; then
  docker image ls --quiet --filter "label=$label" | sort -u | xargs --no-run-if-empty docker image rm --force
  exit
fi
from_packages base "busybox-static libgcc-s1 ca-certificates"
from_packages redis "busybox-static redis-server"
from_packages postgres "busybox-static libc-bin postgresql" 'ENTRYPOINT ["docker-entrypoint.sh"]'
from_packages haproxy "busybox-static bash haproxy" 'USER 99:99'
from_binary holdfast "${1:?the binary of holdfast}"
if [ -n "${2:-}" ]; then from_binary otlp-receiver "$2"; fi
# Those that were replaced.
docker image prune --force --filter "label=$label" > /dev/null
