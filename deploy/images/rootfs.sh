#!/usr/bin/env bash
# Makes a small root filesystem from Debian packages and what they need, from wherever this machine's apt takes them.
#
#   rootfs.sh FOLDER PACKAGE...
#
# Nothing of a package runs, so neither root nor a chroot is needed, and what only installs, configures or documents is
# left out. Needs apt-get, dpkg-deb and GNU tar.
set -euo pipefail
mkdir -p "$1"
root=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An apt of its own: it takes the machine's sources, and none of the machine's packages counts as installed.
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/packages"
cat > "$work/apt.conf" <<END
Dir::State "$work/state";
Dir::State::status "/dev/null";
Dir::Cache "$work/cache";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
END
export APT_CONFIG=$work/apt.conf DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq --simulate install "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p' \
  | { grep -vxEf "$here/unneeded-packages.txt" || true; } > "$work/wanted"
cd "$work/packages"
xargs apt-get -qq download < "$work/wanted" > /dev/null

# Debian's layout, in which /bin, /lib and /sbin are links into /usr.
mkdir -p "$root"/usr/{bin,lib,lib64,sbin} "$root"/{etc,proc,sys,dev,run} "$root"/var/{lib,log}
for folder in bin lib lib64 sbin; do ln -sfn "usr/$folder" "$root/$folder"; done
install -d -m 1777 "$root/tmp" "$root/var/tmp"
for package in *.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner --keep-directory-symlink \
    --exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' \
    --exclude='./usr/share/lintian*' --exclude='./usr/share/bash-completion*' --exclude='./lib/systemd*' \
    --exclude='./usr/lib/*/gconv*' --exclude='./usr/lib/*/perl*' --exclude='*/llvmjit*' --exclude='*/bitcode*' --exclude='./etc/init.d*'
done

# What the scripts of the packages would have done.
if [ -d "$root/usr/share/ca-certificates/mozilla" ]; then
  mkdir -p "$root/etc/ssl/certs"
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt > "$root/etc/ssl/certs/ca-certificates.crt"
fi
if [ -x "$root/bin/busybox" ]; then
  for applet in $("$root/bin/busybox" --list); do
    [ -e "$root/bin/$applet" ] || [ -e "$root/sbin/$applet" ] || ln -s busybox "$root/bin/$applet"
  done
fi
# One user for the roles, Redis and PostgreSQL, with the number that the official images of both have: files of secrets
# can be read by it alone.
cat > "$root/etc/passwd" <<'END'
root:x:0:0:root:/:/bin/sh
haproxy:x:99:99:HAProxy:/:/bin/false
holdfast:x:999:999:Holdfast:/var/lib/holdfast:/bin/sh
END
printf 'root:x:0:\nhaproxy:x:99:\nholdfast:x:999:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
