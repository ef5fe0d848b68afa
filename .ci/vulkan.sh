#!/bin/sh
# Installs Mesa's lavapipe, Vulkan on the processor, where Dawn finds no adapter to compute on: the tests of WebGPU need one.
# Dawn takes Mesa from 25 on: where the release's own is older, the release's backports have it (Debian 12). Fails where none can be had.
set -eu
cd "$(dirname "$0")/.."

if node .ci/adapter.mjs; then exit 0; fi
apt-get update -q
packages="mesa-vulkan-drivers libvulkan1"
candidate="$(apt-cache policy mesa-vulkan-drivers | sed -n 's/^ *Candidate: *//p')"
release=""
if dpkg --compare-versions "${candidate:-0}" lt 25; then
  codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
  release="$codename-backports"
  # From the mirror that this machine has its packages from.
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' "Codename: $codename" | head -n 1)"
  if [ -z "$mirror" ]; then
    echo "no mirror of $codename is configured in apt: Mesa 25 or newer cannot be installed"
    exit 1
  fi
  list=/etc/apt/sources.list.d/gainwatch-backports.list
  trap 'rm -f "$list"' EXIT
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$list"
  apt-get update -q
fi
echo "installing: $packages${release:+ from $release}"
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ${release:+-t "$release"} $packages
node .ci/adapter.mjs
