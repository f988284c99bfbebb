#!/usr/bin/env bash
# Installs the real peers of the interop and end-to-end tests into a cache folder, never over the system.
# usage: test/peers/install.sh [NAME...]      (no name: all of them)
set -euo pipefail
export LC_ALL=C

cache=${TRUST_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/trust-peers}
here=$(cd "$(dirname "$0")" && pwd)
names=(cosign2 cosign3 skopeo crane oras notation docker-registry oci-conformance
  etcd kubectl kube-apiserver kube-controller-manager policy-controller-crds cue-validate)
conformance=github.com/opencontainers/distribution-spec/conformance
conformance_commit=967efdc
kubernetes=$(awk '$2 == "k8s.io/kubernetes" { print $3 }' "$here/kubernetes/go.mod")
# Ours: another version of it is another peer.
cue=$(awk '$2 == "cuelang.org/go" { print $3 }' "$here/cue/go.mod")-$(cat "$here"/cue/{go.mod,main.go} | sha256sum | cut -c1-8)
policy_controller=github.com/sigstore/policy-controller
policy_controller_version=v0.13.1
policy_controller_sum='h1:Woy+6bQ7pT/0m3/PSO2RtDxSHKBZ/8iHpCZFcZJThM8='

# Where a peer comes from: suites in order of preference, packages (the first one is the peer itself),
# its program, a command that shows that it runs, and how a good version starts.
recipe() { # NAME
  suites="forky sid" packages=$1 program=usr/bin/$1 runs=version expect=
  case $1 in
    cosign2) suites=trixie packages=cosign program=usr/bin/cosign expect=2. ;;
    cosign3) packages=cosign program=usr/bin/cosign expect=3. ;;
    crane | oras | notation) ;;
    docker-registry) suites=trixie runs=--version expect=2. ;;
    skopeo)
      # Built for a newer C library than that of the oldest system we run on, so it brings its own.
      suites=trixie program=skopeo runs=--version
      packages="skopeo libc6 libgpgme11t64 libassuan9 libgpg-error0 libsqlite3-0 libsubid5"
      ;;
    etcd) suites=trixie packages=etcd-server runs=--version expect=3. ;;
    # Its `version` asks a server.
    kubectl) runs=options ;;
    kube-apiserver | kube-controller-manager) suites='' packages='' runs=--version expect=$kubernetes ;;
    # Files, no program.
    policy-controller-crds) suites='' packages='' program='' runs='' expect=$policy_controller_version ;;
    # Asked nothing, it ends.
    cue-validate) suites='' packages='' runs=nothing expect=$cue ;;
    # It has no command that does nothing.
    oci-conformance) suites='' packages='' runs='' expect=$conformance_commit ;;
    *) return 1 ;;
  esac
}

# Prints the version and origin of the peer unpacked in DIR; fails unless it runs and is the one we want.
# Debian's cosign and crane do not know their version, so it is that of the package.
probe() { # NAME DIR
  local origin
  recipe "$1" && [[ -f $2/ORIGIN ]] || return 1
  [[ -z $program ]] || [[ -x $2/$program && -s $2/$program ]] || return 1
  origin=$(<"$2/ORIGIN")
  [[ $origin == "$expect"* ]] || { echo "$1: found $origin, wanted $expect*" >&2; return 1; }
  [[ -z $runs ]] || timeout 20 "$2/$program" "$runs" >/dev/null 2>&1 </dev/null || { echo "$1: does not run" >&2; return 1; }
  printf '%s\n' "$origin"
}

say() { printf '%-24s %s\n' "$1" "$2"; }

# The Debian mirror this machine already uses, in whichever file and format it is written down.
mirror() {
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "main" && $2 !~ /-/ { if (!any) any = $1; if (!best && $1 ~ /\/debian\/?$/) best = $1 }
         END { if (best) any = best; if (!any) exit 1; print any }'
}

# Makes a private apt root for SUITE, once per run. Signatures are checked as for the system's own suites.
apt_root() { # SUITE
  local root=$work/apt-$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg uri options=
  [[ ! -e $root/failed ]] || return 1
  [[ ! -e $root/ready ]] || return 0
  mkdir -p "$root"/{lists,cache}/partial && : >"$root/status" && : >"$root/failed" || return 1
  uri=$(mirror) || { echo "no Debian mirror in this machine's apt sources" >&2; return 1; }
  [[ ! -e $keyring ]] || options="[signed-by=$keyring] "
  printf 'deb %s%s %s main\n' "$options" "$uri" "$1" >"$root/sources.list"
  # A file and not -o, because only a file can clear the machine's own hooks.
  cat >"$root/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
APT::Sandbox::User "root";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$root";
Dir::State::lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache "$root/cache";
CONF
  apt-get -c "$root/apt.conf" -qq --error-on=any update >"$root/log" 2>&1 || { cat "$root/log" >&2; return 1; }
  mv "$root/failed" "$root/ready"
}

# Downloads and unpacks the peer's packages into DIR from the first suite that has them all.
unpack() { # NAME DIR
  local suite deb
  recipe "$1" || return 1
  for suite in $suites; do
    rm -rf "$2" "$2.debs"
    mkdir -p "$2" "$2.debs" || return 1
    apt_root "$suite" || continue
    # shellcheck disable=SC2086  # a list of names
    (cd "$2.debs" && apt-get -c "$work/apt-$suite/apt.conf" -qq download $packages) || continue
    for deb in "$2.debs"/*.deb; do dpkg-deb -x "$deb" "$2" || return 1; done
    deb=$(cd "$2.debs" && echo "${packages%% *}"_*.deb) && deb=${deb#*_}
    # A colon in a version is escaped in the name of the file.
    deb=${deb%_*} && printf '%s  (%s, Debian %s)\n' "${deb//%3a/:}" "${packages%% *}" "$suite" >"$2/ORIGIN"
    rm -rf "$2.debs"
    return 0
  done
  return 1
}

# Starts skopeo with the loader and the libraries unpacked beside it.
wrap_skopeo() { # DIR
  local lib
  lib=$(cd "$1" && echo usr/lib/*-linux-gnu*/ld-linux*.so.*)
  [[ -x $1/$lib ]] || { echo "skopeo: no loader among $lib" >&2; return 1; }
  cat >"$1/skopeo" <<SH && chmod +x "$1/skopeo"
#!/bin/sh
root=\$(readlink -f "\$0") && root=\${root%/*}
exec "\$root/$lib" --argv0 skopeo --library-path "\$root/${lib%/*}" "\$root/usr/bin/skopeo" "\$@"
SH
}

has_go() { # NAME
  command -v go >/dev/null || { echo "$1 comes from the Go module proxy: install Go (https://go.dev/dl) first" >&2; return 1; }
}

# What Go could not do is nearly always that its module proxy was not to be reached.
go_failed() { # LOG
  cat "$1" >&2
  echo "is the module proxy to be reached? go env GOPROXY says $(go env GOPROXY)" >&2
  return 1
}

build_conformance() { # DIR
  has_go oci-conformance || return 1
  mkdir -p "$1/usr/bin" &&
    { GOBIN=$1/usr/bin CGO_ENABLED=0 go install "$conformance@$conformance_commit" 2>"$1/log" || go_failed "$1/log"; } &&
    mv "$1/usr/bin/conformance" "$1/usr/bin/oci-conformance" &&
    printf '%s  (%s)\n' "$conformance_commit" "$conformance" >"$1/ORIGIN"
}

build_cue() { # DIR
  has_go cue-validate || return 1
  mkdir -p "$1/usr/bin" &&
    { (cd "$here/cue" && CGO_ENABLED=0 go build -trimpath -mod=readonly -buildvcs=false -o "$1/usr/bin/cue-validate" .) \
      2>"$1/log" || go_failed "$1/log"; } &&
    printf '%s  (cuelang.org/go)\n' "$cue" >"$1/ORIGIN"
}

# Both programs share most of their packages, so one command builds all of them that are wanted and missing.
build_kubernetes() { # NAME DIR
  local name out=$work/kubernetes programs=()
  has_go "$1" || return 1
  if [[ ! -e $out ]]; then
    for name in "${wanted[@]}"; do
      [[ $name != kube-* ]] || present "$name" >/dev/null || programs+=("k8s.io/kubernetes/cmd/$name")
    done
    echo "building ${programs[*]##*/} ${kubernetes}; this takes minutes, once" >&2
    mkdir "$out" && (cd "$here/kubernetes" && CGO_ENABLED=0 go build -trimpath -mod=readonly -buildvcs=false -o "$out/" \
      -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes" "${programs[@]}") 2>"$out/log" ||
      go_failed "$out/log" || return 1
  fi
  [[ -x $out/$1 ]] && mkdir -p "$2/usr/bin" && mv "$out/$1" "$2/usr/bin/" &&
    printf '%s  (k8s.io/kubernetes)\n' "$kubernetes" >"$2/ORIGIN"
}

# Its two custom resource definitions, from the module as its authors published it.
fetch_policy_controller() { # DIR
  local module=$policy_controller@$policy_controller_version log=$work/policy-controller.log about folder
  has_go policy-controller-crds || return 1
  about=$(cd "$work" && go mod download -json "$module" 2>"$log") || { echo "$about" >>"$log" && go_failed "$log"; return 1; }
  folder=$(sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p' <<<"$about")
  grep -qF "\"Sum\": \"$policy_controller_sum\"" <<<"$about" || { echo "$module is not what it was: $about" >&2; return 1; }
  mkdir -p "$1" && install -m 0644 "$folder"/config/300-{clusterimagepolicy,trustroot}.yaml "$1" &&
    printf '%s  (%s)\n' "$policy_controller_version" "$policy_controller" >"$1/ORIGIN"
}

# Everything is made in $work, shown to run, and moved in with two renames: first the folder, last the link.
install_peer() { # NAME
  local stage=$work/$1
  case $1 in
    oci-conformance) build_conformance "$stage" ;;
    cue-validate) build_cue "$stage" ;;
    skopeo) unpack "$1" "$stage" && wrap_skopeo "$stage" ;;
    kube-apiserver | kube-controller-manager) build_kubernetes "$1" "$stage" ;;
    policy-controller-crds) fetch_policy_controller "$stage" ;;
    *) unpack "$1" "$stage" ;;
  esac || return 1
  probe "$1" "$stage" >/dev/null || return 1
  rm -rf "$cache/bin/$1" "$cache/peers/$1" && mv "$stage" "$cache/peers/$1" || return 1
  [[ -n $program ]] || return 0
  ln -s "../peers/$1/$program" "$work/$1.link" && mv -T "$work/$1.link" "$cache/bin/$1"
}

# A program is there when its link is: that is what comes last.
linked() { recipe "$1" && [[ -z $program || -x $cache/bin/$1 ]]; } # NAME
present() { linked "$1" && probe "$1" "$cache/peers/$1"; }        # NAME

wanted=("${@:-${names[@]}}")
for name in "${wanted[@]}"; do
  recipe "$name" || { echo "usage: ${0##*/} [NAME...]; names: ${names[*]}" >&2; exit 2; }
done

mkdir -p "$cache"/{bin,peers}
exec 9>"$cache/.lock"
flock 9
# Inside the cache folder, so that moving in is a rename; leftovers of an interrupted run go first.
rm -rf "$cache"/work.*
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

missing=()
for name in "${wanted[@]}"; do
  if found=$(present "$name"); then
    say "$name" "$found"
  elif install_peer "$name" && found=$(present "$name"); then
    say "$name" "$found  installed"
  else
    missing+=("$name")
    say "$name" "FAILED"
  fi
done

for name in "${names[@]}"; do
  ! linked "$name" || [[ ! -f $cache/peers/$name/ORIGIN ]] || say "$name" "$(<"$cache/peers/$name/ORIGIN")"
done >"$work/versions.txt"
mv "$work/versions.txt" "$cache/versions.txt"

if ((${#missing[@]})); then
  echo "not installed: ${missing[*]}" >&2
  exit 1
fi
